"""One file a peer. Each imports it only when its Adapter is made, in the peer's own environment."""
