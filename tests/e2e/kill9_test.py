"""Kill -9 at any instant: an acknowledged push is never lost, an unacknowledged one is never half there (DESIGN 8).

Four clients push, overwrite and delete; the server is killed, started again on the same data and compared with what the
clients were told. A request that was under way may have happened or not, but wholly: a manifest comes with its tag and
all of its blobs. The oracle is the clients' own record and SHA-256. 15 kills; BULWARK_FULL_TESTS makes it 300, BULWARK_KILLS
any number. fault_test.py kills at every file system call instead of at every time.
"""
import collections
import http.client
import os
import pathlib
import random
import threading
import time
import unittest

import harness
from pushers import CLIENTS, Check, Pusher, close

KILLS = int(os.environ.get("BULWARK_KILLS") or (300 if os.environ.get("BULWARK_FULL_TESTS") else 15))
FULL_CHECK_EVERY = 50  # kills; between them what was touched since, and a sample of the rest


class World:
    """A server, its clients and what was found so far."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.server = harness.Server()
        self.pushers = [Pusher(i, random.Random(f"{seed}-{i}")) for i in range(CLIENTS)]
        self.recovery, self.kills, self.cut, self.found = [], 0, 0, collections.defaultdict(list)

    def life(self):
        """Clients at work, and a kill among them."""
        stop = threading.Event()
        threads = [threading.Thread(target=p.run, args=(self.server.address, stop), daemon=True) for p in self.pushers]
        for thread in threads:
            thread.start()
        time.sleep(self.rng.uniform(0.005, 0.5))  # the random instant
        self.server.kill()
        self.kills += 1
        stop.set()
        for thread in threads:
            thread.join(60)
        self.found["problems"] += [problem for p in self.pushers for problem in p.problems + p.failures]
        for pusher in self.pushers:
            pusher.problems, pusher.failures = [], []
            self.cut += pusher.open()

    def recover(self):
        """Starts it again; now and then it is killed in its recovery first."""
        self.server.log.close()
        if self.rng.random() < 0.2:
            self.die_while_starting()
        begin = time.monotonic()
        self.server.start()
        self.recovery.append(time.monotonic() - begin)

    def die_while_starting(self):
        before, delay = self.server.process, self.rng.uniform(0, 0.1)

        def kill():
            while self.server.process is before:
                time.sleep(0.001)
            time.sleep(delay)
            self.server.process.kill()

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        try:
            self.server.start()
        except (RuntimeError, http.client.HTTPException):
            pass
        killer.join()
        if self.server.process.wait() != -9:
            raise RuntimeError("the server did not start:\n" + self.server.text()[-2000:])
        self.kills += 1
        self.server.log.close()

    def check(self, everything=False):
        check = Check(self.server.address, self.pushers, self.rng).run(everything)
        for kind in ("lost", "partial", "revived"):
            self.found[kind] += getattr(check, kind)
        left = list((self.server.data / "data/uploads").iterdir())  # each client finished or cancelled what it knew of
        if left:
            self.found["spools"].append(f"{len(left)} files in uploads/ after kill {self.kills}")
        return check

    def blob_file(self, digest):
        algorithm, value = digest.split(":")
        return pathlib.Path(self.server.data) / "data/blobs/0" / algorithm / value[:2] / value


class Kill9(unittest.TestCase):
    def world(self, seed):
        world = World(seed)
        self.addCleanup(world.server.close)
        return world

    def test_kills(self):
        seed = os.environ.get("BULWARK_SEED") or random.SystemRandom().randrange(1 << 32)
        world = self.world(seed)
        while world.kills < KILLS:
            world.life()
            world.recover()
            world.check(everything=world.kills % FULL_CHECK_EVERY == 0)
        world.check(everything=True)
        self.assertPullable(world)
        times, found = sorted(1000 * t for t in world.recovery), world.found
        pushes = sum(p.acknowledged for p in world.pushers)
        print(f"measured: kill9: {world.kills} kills, {pushes} acknowledged pushes, lost {len(found['lost'])}, partial {len(found['partial'])}, "
              f"recovery p50/p99 {times[len(times) // 2]:.0f}/{times[min(len(times) - 1, len(times) * 99 // 100)]:.0f} ms, "
              f"{world.cut} requests cut off")
        self.assertGreater(pushes, world.kills // 3)
        self.assertEqual({kind: some[:10] for kind, some in found.items() if some}, {}, f"BULWARK_SEED={seed}")

    def assertPullable(self, world):
        """With right to pull only, through the gate, without a manual step: verdicts that a kill swallowed are made again."""
        client = world.server.client()
        waiting = [(repository, tag) for p in world.pushers for (repository, tag), values in p.tags.items() if values != {None}]
        deadline = time.monotonic() + 60
        for repository, tag in waiting:
            while (answer := client.pull(repository, tag))[0] != 200:
                self.assertLess(time.monotonic(), deadline, f"{repository}:{tag}: {answer}")
                time.sleep(0.1)
        close(client)

    def test_sees_a_loss(self):
        """The check itself: a blob file removed or one byte changed behind the server is found."""
        world = self.world(1)
        while not all(p.acknowledged for p in world.pushers):
            world.life()
            world.recover()
            world.check()
        self.assertEqual([kind for kind, some in world.found.items() if some], [])
        whole = [p.images[key] for p in world.pushers for key, states in p.manifests.items() if states == {True}]
        removed, changed = (world.blob_file(list(image.blobs)[1]) for image in whole[:2])  # their layers that nobody shares
        removed.unlink()
        data = bytearray(changed.read_bytes())
        data[len(data) // 2] ^= 1
        changed.chmod(0o600)
        changed.write_bytes(data)
        self.assertEqual(len(world.check(everything=True).lost), 2)


if __name__ == "__main__":
    unittest.main()
