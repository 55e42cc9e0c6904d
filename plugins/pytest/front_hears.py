# Part of the front: what workers tell it, as relay.py says it.


class Hearing:
    """What becomes of a worker's word; of a Front."""

    def on_from(self, id, value):
        getattr(self, "from_" + value[0])(self.node(id), *value[1:])

    def from_net(self, node, *_):
        """Of one to which no port was offered."""

    def from_ready(self, node, info):
        node.workerinfo = dict(info, id=node.gateway.id, spec=node.gateway.spec)
        self.config.hook.pytest_testnodeready(node=node)
        if self.driver:
            self.driver.ready(node)

    def from_collected(self, node, count, ids, files=None):
        node.collected = True
        self.files = files
        node.ids = ids
        if ids is not None:
            self.config.hook.pytest_xdist_node_collection_finished(node=node, ids=ids)
        if ids is not None and not self.driver:
            self.sched.collection = self.sched.collection or ids
        if files is None:
            self.session.testscollected = self.collected = count
        elif not self.collected:
            self.session.testscollected = self.collected = files
        if self.terminal and files is None:
            self.trdist.collected(node.gateway.spec, count)
        self.awaited.discard(node.gateway.id)

    def from_collect_report(self, node, data):
        key = (data.get("nodeid"), data.get("outcome"), repr(data.get("longrepr")))
        if key in self.collect_reports:
            return  # another worker's was the same
        self.collect_reports.add(key)
        report = report_of(self.config, data)
        self.config.hook.pytest_collectreport(report=report)
        self.failed = self.failed or report.failed

    def from_warning(self, node, warning, when, nodeid, location):
        if not nodeid:
            key = warning["filename"], warning["lineno"], warning["text"]
            node.warned[key] = node.warned.get(key, 0) + 1
            if node.warned[key] <= self.warned.get(key, 0):
                return  # another worker's was the same, or the session's own
        self.config.hook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": warning_of(warning), "when": when, "nodeid": nodeid,
                "location": location,
            }
        )  # fmt: skip

    def from_internal_error(self, node, text):
        import pytest

        self.broken = True
        try:
            raise AssertionError(text)
        except AssertionError:
            excinfo = pytest.ExceptionInfo.from_current()
            excrepr = excinfo.getrepr()
            self.config.hook.pytest_internalerror(excrepr=excrepr, excinfo=excinfo)

    def from_groups(self, node, bare):
        self.cached.bare.update(bare)

    def from_start(self, node, nodeid, location):
        self.config.hook.pytest_runtest_logstart(nodeid=nodeid, location=location)

    def from_output(self, node, output):
        node.workeroutput = output
