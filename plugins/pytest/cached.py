# Part of the front: what pytest's cache gets to know of tests. With loadgroup their ids end with @group,
# which no other run calls them: the cache gets them without.
class Cached:
    def __init__(self, manager):
        self.manager = manager
        self.bare = {}  # ids without their group, by those with it
        self.seen = {}  # id: whether its last attempt failed

    def note(self, nodeid, failed=False):
        self.seen[nodeid] = failed

    def fill(self):
        """Before pytest writes it."""
        cached_id = cached_ids()
        shown = {self.bare.get(nodeid, nodeid): failed for nodeid, failed in self.seen.items()}
        known = getattr(self.manager.getplugin("nfplugin"), "cached_nodeids", None)
        if shown and isinstance(known, set):
            names = {str(name) for name in known}.difference(self.bare).union(shown)
            known.clear()
            known.update(map(cached_id, names))
        known = getattr(self.manager.getplugin("lfplugin"), "lastfailed", None)
        if isinstance(known, dict):
            names = {str(name): value for name, value in known.items()}
            self.fill_lastfailed(names, shown)
            known.clear()
            known.update({cached_id(name): value for name, value in names.items()})
        plugin = self.manager.getplugin("stepwiseplugin")
        for holder, name in (plugin, "lastfailed"), (getattr(plugin, "cached_info", None), "last_failed"):
            known = getattr(holder, name, None)
            nodeid = str(known)
            if known is None:
                continue
            if nodeid in self.bare:
                bare = self.bare[nodeid]
                setattr(holder, name, bare if isinstance(known, str) else cached_id(bare))
            elif self.bare and shown.get(nodeid) is False:
                setattr(holder, name, None)

    def fill_lastfailed(self, known, shown):
        for nodeid in list(known):
            short = nodeid.rpartition("@")[0]
            if nodeid in self.bare:
                known.pop(nodeid)
                known[self.bare[nodeid]] = True
            elif short in shown and nodeid not in shown:
                known.pop(nodeid)  # of pytest-xdist, before
        for nodeid, short in self.bare.items():
            if self.seen.get(nodeid) is False:
                known.pop(short, None)
