class RSync: pass
