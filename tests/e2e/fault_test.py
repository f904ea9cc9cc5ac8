"""Faults at file system calls of the whole process (DESIGN 8): what was acknowledged is there, nothing is half there, requests
that met the fault say so by 5xx, the process answers on, and the same works again once the fault is over, without a restart.

tests/crash/faults.c, loaded into the server, strikes at the n-th call of a kind below the data directory: an I/O error, a full
disk, a quota, a short write, or death at that very call (also while it starts). Four clients push, overwrite and delete; a
fifth makes garbage and runs collections. The oracle is the clients' own record (pushers.py). 4 of each and 8 kills;
BULWARK_FULL_TESTS: 200 full disks, 200 I/O errors, 1,000 kills; BULWARK_FAULTS and BULWARK_FAULT_KILLS: any number."""
import collections
import http.client
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import oci
from pushers import CLIENTS, DEAD, Check, Pusher, close

FULL = bool(os.environ.get("BULWARK_FULL_TESTS"))
FAULTS = int(os.environ.get("BULWARK_FAULTS") or (200 if FULL else 4))  # of each of the two families
KILLS = int(os.environ.get("BULWARK_FAULT_KILLS") or (1000 if FULL else 8))
FULL_CHECK_EVERY = 200  # lives; between them what was touched since, and a sample of the rest
KINDS = ("any", "change", "write", "write", "sync", "sync", "open", "rename", "unlink")
DISK_FULL, IO_ERRORS = ("nospace", "nospace", "quota"), ("io", "io", "short")
SHIM_SOURCE = harness.ROOT / "tests/crash/faults.c"


class Shim:
    """The library, and the file that arms it."""

    def __init__(self, folder, data):
        self.library, self.arm_file, self.root = folder / "faults.so", folder / "armed", data
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self.library, SHIM_SOURCE, "-ldl", "-lpthread"], check=True)
        self.struck_file = folder / "armed.struck"

    def env(self):
        return {"LD_PRELOAD": str(self.library), "BULWARK_FAULT_ROOT": str(self.root), "BULWARK_FAULT_ARM": str(self.arm_file)}

    def arm(self, kind, mode, first, count):
        self.struck_file.unlink(missing_ok=True)
        new = self.arm_file.with_suffix(".new")
        new.write_text(f"{kind} {mode} {first} {count}\n")
        new.rename(self.arm_file)

    def disarm(self):
        self.arm_file.unlink(missing_ok=True)

    def struck(self):
        return self.struck_file.exists()


class Garbage:
    """Makes blobs that nothing refers to, and runs collections."""

    def __init__(self, seed):
        self.rng, self.runs, self.removed, self.problems, self.statuses = random.Random(f"{seed}-garbage"), 0, 0, [], collections.Counter()

    def run(self, address, stop):
        client = oci.Client(address, "admin", harness.PASSWORD)
        try:
            token = client.token("library/garbage", "pull,push")
            while not stop.is_set():
                for _ in range(3):
                    client.push_blob("library/garbage", self.rng.randbytes(3000), token)
                status, body = client.api("POST", "/gc")
                self.statuses[status] += 1
                if status == 200:
                    self.runs, self.removed = self.runs + 1, self.removed + body["blobs"]
                elif status < 500:
                    self.problems.append(f"gc: {status} {body}")
        except DEAD:
            pass
        except RuntimeError as refused:
            if not str(refused).startswith("token: 5"):
                self.problems.append(str(refused))
        finally:
            close(client)


class World:
    """A server with the shim, its clients, and what was found so far."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-faults-"))
        self.shim = Shim(self.folder, self.folder / "data/data")
        (self.folder / "data").mkdir()
        self.server = harness.Server(data=self.folder / "data", env=self.shim.env())
        self.pushers = [Pusher(i, random.Random(f"{seed}-{i}")) for i in range(CLIENTS)]
        self.garbage = Garbage(seed)
        self.recovery, self.lives, self.struck, self.cut, self.answers = [], 0, collections.Counter(), 0, collections.Counter()
        self.found = collections.defaultdict(list)

    def close(self):
        self.shim.disarm()
        self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def life(self, kind, mode, first, count):
        """Clients at work until the fault strikes, or for a while. Whether it struck."""
        stop, clients = threading.Event(), [*self.pushers, self.garbage]
        threads = [threading.Thread(target=c.run, args=(self.server.address, stop), daemon=True) for c in clients]
        for thread in threads:
            thread.start()
        time.sleep(self.rng.uniform(0, 0.1))
        self.shim.arm(kind, mode, first, count)
        deadline = time.monotonic() + 3
        while not self.shim.struck() and time.monotonic() < deadline:
            time.sleep(0.002)
        if mode != "kill":
            time.sleep(self.rng.uniform(0, 0.2))  # a fault that lasts meets more
        elif self.shim.struck():
            self.server.process.wait(30)
        stop.set()
        for thread in threads:
            thread.join(60)
            if thread.is_alive():
                self.found["hung"].append(f"a client, {kind} {mode} {first} {count}")
        self.shim.disarm()
        self.lives += 1
        self.struck[mode] += self.shim.struck()
        self.collect_notes(mode)
        return self.shim.struck()

    def collect_notes(self, mode):
        for pusher in self.pushers:
            self.found["problems"] += pusher.problems
            self.cut += pusher.open()
            for failure in pusher.failures:
                self.answers[failure.split("{")[0].split("b'")[0].strip()] += 1
            pusher.problems, pusher.failures = [], []
        self.found["problems"] += self.garbage.problems
        self.garbage.problems = []

    def healthy(self):
        connection = http.client.HTTPConnection(self.server.address, timeout=10)
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
        connection.close()
        if status != 200:
            self.found["health"].append(status)

    def check(self, everything=False):
        check = Check(self.server.address, self.pushers, self.rng).run(everything or self.lives % FULL_CHECK_EVERY == 0)
        for kind in ("lost", "partial", "revived"):
            self.found[kind] += [f"life {self.lives}: {text}" for text in getattr(check, kind)]

    def restart(self, kill):
        if kill:
            self.server.kill()
            self.server.log.close()
        else:
            self.server.stop()
        self.start()

    def start(self):
        begin = time.monotonic()
        self.server.start()
        self.recovery.append(time.monotonic() - begin)

    def age_leases(self):
        """While the server is stopped: whatever no manifest refers to is garbage from now on."""
        self.server.stop()
        database = sqlite3.connect(self.folder / "data/data/bulwark.db")
        with database:
            database.execute("UPDATE leases SET until = 1")
        database.close()
        self.start()

    def die_while_starting(self):
        """Killed at one of the calls of its recovery; it may also come up before."""
        self.shim.arm("any", "kill", self.rng.randint(1, 40), 1)
        try:
            self.server.start()
            self.server.kill()
        except (RuntimeError, *DEAD):
            if self.server.process.wait(30) != -9:
                self.found["problems"].append("did not start: " + self.server.text()[-500:])
        self.struck["kill"] += self.shim.struck()
        self.shim.disarm()
        self.server.log.close()

    def summary(self):
        times = sorted(1000 * t for t in self.recovery) or [0]
        return (f"{sum(p.acknowledged for p in self.pushers)} acknowledged pushes, lost {len(self.found['lost'])}, partial {len(self.found['partial'])}, "
                f"{self.garbage.runs} collections of {self.garbage.removed} blobs, {self.cut} requests cut off, "
                f"start p50/p99 {times[len(times) // 2]:.0f}/{times[min(len(times) - 1, len(times) * 99 // 100)]:.0f} ms")


@harness.needs("cc")
class Faults(unittest.TestCase):
    def world(self):
        self.seed = os.environ.get("BULWARK_SEED") or random.SystemRandom().randrange(1 << 32)
        world = World(self.seed)
        self.addCleanup(world.close)
        return world

    def assertSound(self, world):
        found = {kind: [str(one)[:300] for one in some[:3]] for kind, some in world.found.items() if some}
        self.assertFalse(found, f"BULWARK_SEED={self.seed}: {found}")

    def campaign(self, name, modes):
        world = self.world()
        while sum(world.struck.values()) < FAULTS and world.lives < 3 * FAULTS + 20 and not any(world.found.values()):
            if world.lives % 8 == 4:
                world.age_leases()
            rng = world.rng
            world.life(rng.choice(KINDS), rng.choice(modes), rng.choice((1, 2, 3, rng.randint(4, 60))), rng.choice((1, 1, 3, 1_000_000)))
            world.healthy()
            world.check()  # on the living server: it goes on without a restart
            if rng.random() < 0.25:
                world.restart(kill=rng.random() < 0.5)
                world.check()
        world.restart(kill=True)
        world.check(everything=True)
        print(f"measured: {name}: {sum(world.struck.values())} injections {dict(world.struck)}, {world.summary()}; answers {dict(world.answers)}")
        self.assertSound(world)
        self.assertGreaterEqual(sum(world.struck.values()), FAULTS)

    def test_full_disk(self):
        self.campaign("disk full", DISK_FULL)

    def test_io_errors(self):
        self.campaign("I/O errors", IO_ERRORS)

    def test_kills_at_calls(self):
        world = self.world()
        while world.struck["kill"] < KILLS and world.lives < 3 * KILLS + 20 and not any(world.found.values()):
            if world.lives % 25 == 5:
                world.age_leases()
            rng = world.rng
            if not world.life(rng.choice(KINDS), "kill", rng.choice((rng.randint(1, 60), rng.randint(60, 2000))), 1):
                continue
            world.server.log.close()
            while rng.random() < 0.2:
                world.die_while_starting()
            world.start()
            world.check()
        world.check(everything=True)
        print(f"measured: kill -9 at a file system call: {world.struck['kill']} kills, {world.summary()}")
        self.assertSound(world)
        self.assertGreaterEqual(world.struck["kill"], KILLS)


@unittest.skipIf(os.geteuid() != 0, "only root mounts a small file system")
class SmallDisk(unittest.TestCase):
    """A real file system that is full: pushes are refused, an administrator logs in, deletes and collects, and pushes work again."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-full-"))
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320m", "tmpfs", self.folder], capture_output=True)
        if mounted.returncode != 0:
            self.folder.rmdir()
            self.skipTest("mount: " + mounted.stderr.decode())
        self.addCleanup(self.unmount)
        self.server = harness.Server(data=self.folder)
        self.addCleanup(self.server.close)
        self.rng = random.Random(1)

    def unmount(self):
        subprocess.run(["umount", self.folder], check=True)
        self.folder.rmdir()

    def fill(self, client, repository):
        """Pushes images until one is refused: what was acknowledged, and the refusal."""
        pushed = []
        for i in range(200):
            image = oci.Image([{"file": self.rng.randbytes(1_000_000)}])
            try:
                status, _, body = client.push(repository, f"t{i}", image)
            except RuntimeError as refused:
                return pushed, str(refused)
            if status != 201:
                return pushed, f"manifest: {status} {body}"
            pushed.append(image)
        self.fail("200 MB went onto a disk of 320")

    def age_leases(self):
        database = sqlite3.connect(self.folder / "data/bulwark.db", timeout=10)
        with database:
            database.execute("UPDATE leases SET until = 1")
        database.close()

    def fill_with_a_file(self):
        with open(self.folder / "filler", "wb") as filler:
            try:
                while True:
                    os.write(filler.fileno(), b"x" * 4096)
            except OSError:
                pass

    def wait_until(self, holds):
        deadline = time.monotonic() + 30
        while not holds():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def assertPullable(self, client, repository, image):
        token = client.token(repository, "pull")
        for digest, data in image.blobs.items():
            status, _, body = client.send("GET", f"/v2/{repository}/blobs/{digest}", authorization=token)
            self.assertEqual((status, body == data), (200, True))

    def free(self, client, repository, images):
        for image in images:
            token = client.token(repository, "pull,delete")
            status, _, body = client.send("DELETE", f"/v2/{repository}/manifests/{image.digest}", authorization=token)
            self.assertEqual(status, 202, body)
        self.age_leases()
        status, report = client.api("POST", "/gc")
        self.assertEqual(status, 200, report)
        return report["bytes"]

    def again(self, client, repository, image):
        return client.put_manifest(repository, "again", image.manifest, token=client.token(repository, "pull,push"))[0]

    def test_pushes_fill_it(self):
        client = self.server.client()
        pushed, refusal = self.fill(client, "library/big")
        self.assertIn("50", refusal)  # 500, 503, 507
        self.assertGreater(len(pushed), 10)
        fresh = self.server.client()  # logs in
        # The same of a manifest that needs no blob any more; it would take the database's own space.
        disk = os.statvfs(self.folder)
        with open(self.folder / "filler", "wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - (124 << 20)))
        self.assertEqual(self.again(fresh, "library/big", pushed[0]), 503)
        token = fresh.token("library/big", "pull,push")
        self.assertEqual(fresh.send("POST", "/v2/library/big/blobs/uploads/", b"", authorization=token)[0], 503)
        self.assertEqual(fresh.api("POST", "/projects", {"name": "more"})[0], 503)
        for _ in range(8000):  # log-ins are written down: the database's log comes to its full size
            fresh.token("library/big", "pull")
        self.assertTrue((self.folder / "data/reserve").exists(), "the last reserve is not needed for that")
        freed = self.free(fresh, "library/big", pushed[:10])
        self.assertGreater(freed, 9_000_000)
        status, _, body = fresh.push("library/big", "again", oci.Image([{"file": self.rng.randbytes(1_000_000)}]))
        self.assertEqual(status, 201, body)
        for image in pushed[10:]:
            self.assertPullable(fresh, "library/big", image)
        print(f"measured: small disk: {len(pushed)} pushes until {refusal[:80]!r}; 10 deletions freed {freed / 1e6:.1f} MB")

    def test_others_fill_it_to_the_brim(self):
        client = self.server.client()
        images = [oci.Image([{"file": self.rng.randbytes(1_000_000)}]) for _ in range(12)]
        for i, image in enumerate(images):
            self.assertEqual(client.push("library/app", f"t{i}", image)[0], 201)
        self.wait_until(lambda: (self.folder / "data/reserve").exists())
        self.fill_with_a_file()
        with self.assertRaisesRegex(RuntimeError, "50[037]"):
            self.server.client().push("library/app", "no", oci.Image([{"file": self.rng.randbytes(1_000_000)}]))
        self.wait_until(lambda: not (self.folder / "data/reserve").exists())
        for image in images:
            self.assertPullable(self.server.client(), "library/app", image)
        freed = self.free(self.server.client(), "library/app", images[:6])
        self.assertGreater(freed, 5_000_000)
        (self.folder / "filler").unlink()
        status, _, body = self.server.client().push("library/app", "again", oci.Image([{"file": self.rng.randbytes(1_000_000)}]))
        self.assertEqual(status, 201, body)
        for image in images[6:]:
            self.assertPullable(self.server.client(), "library/app", image)


if __name__ == "__main__":
    unittest.main()
