"""Other queues, measured side by side with ours. The adapters' heads say what they are; importing them
imports none of the peers."""

from .adapters import arq, bullmq, celery, dramatiq, faciliter, huey, rq, saq, streaq, taskiq
from .node import NODE
from .peer import Peer

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        faciliter.PEER,
        NODE,
        bullmq.PEER,
        taskiq.PEER,
        huey.PEER,
        dramatiq.PEER,
        saq.PEER,
        streaq.PEER,
        arq.PEER,
        celery.PEER,
        rq.SIMPLE,
        rq.FORKING,
    )
}

__all__ = ["PEERS", "Peer"]
