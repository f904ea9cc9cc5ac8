"""Attacks on /v2/ and its gate (specs: tenancy, uploads, manifests, framing, tokens), against a real server."""
import base64
import bz2
import gzip
import http.client
import json
import lzma
import os
import pathlib
import signal
import socket
import tempfile
import threading
import time
import unittest

import harness
import oci

MISSING = "sha256:" + "1" * 64


def index(children):
    return json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": children}).encode()


def image_of(layers, config=None, config_type=oci.CONFIG, layer_type=oci.LAYER, **manifest):
    """An image of these blobs as they are; the default config names the plain bytes given with each: [(blob, plain)]."""
    image = oci.Image([])
    descriptors = [image.add(blob, layer_type) for blob, _ in layers]
    if config is None:
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                             "rootfs": {"type": "layers", "diff_ids": [oci.digest(plain) for _, plain in layers]}}).encode()
    image.manifest = json.dumps({"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": image.add(config, config_type),
                                 "layers": descriptors, **manifest}).encode()
    image.digest = oci.digest(image.manifest)
    return image


def unreadable():
    """An image that the default policy denies: one layer is cut off. Returns (image, digest of that layer)."""
    plain = oci.tar({"etc/os-release": oci.DEBIAN_12, "random": os.urandom(3000)})
    cut = gzip.compress(plain)[:1500]
    return image_of([(cut, plain)]), oci.digest(cut)


class Registry(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        case = cls("setUp")
        for project in ("team-a", "team-b", "team-c"):
            case.make_project(project)
        cls.alice = case.make_user("alice", ("developer", "team-a/**"))
        cls.carol = case.make_user("carol", ("developer", "team-b/**"))
        cls.bob = case.make_user("bob", ("developer", "team-b/**"))
        cls.pat = case.make_user("pat", ("puller", "team-a/**"))
        cls.good = oci.debian_image([("base-files", "12.4", None, None)])
        cls.secret = oci.debian_image([("base-files", "12.4", None, None)], {"secret": "of team-b"})
        assert cls.alice.push("team-a/app", "good", cls.good)[0] == 201
        assert cls.bob.push("team-b/secret", "v1", cls.secret)[0] == 201

    def verdict(self, repository, reference):
        for _ in range(100):
            status, why = self.admin.api("GET", f"/repositories/{repository}/images/{reference}/why")
            self.assertEqual(status, 200, why)
            if why["decision"] != "pending":
                return why
            time.sleep(0.05)
        self.fail("no verdict")

    # ---- what is an image ----

    def test_layers_that_only_runtimes_can_unpack(self):
        plain = oci.tar({"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status([("xz-utils", "5.6.0-1", None, None)])})
        packed = gzip.compress(plain)
        names = json.dumps({"RootFS": {"type": "layers", "diff_ids": [oci.digest(plain)]}}).encode()
        twice = b'{"rootfs":1,"rootfs":{"type":"layers","diff_ids":["%s"]}}' % oci.digest(plain).encode()
        large = names[:-1].replace(b"RootFS", b"rootfs") + b',"x":"' + b"a" * (9 << 20) + b'"}'
        cases = {"xz": image_of([(lzma.compress(plain), plain)]),
                 "bzip2": image_of([(bz2.compress(plain), plain)]),
                 "xz-other-type": image_of([(lzma.compress(plain), plain)], layer_type="application/octet-stream"),
                 "encrypted": image_of([(os.urandom(4000), plain)], layer_type=oci.LAYER + "+encrypted"),
                 "look-alike-config": image_of([(packed, plain)], names, "application/vnd.example.config+json"),
                 "repeated-config": image_of([(packed, plain)], twice, "application/vnd.example.config+json"),
                 "large-config": image_of([(packed, plain)], large, "application/vnd.example.config+json")}
        for name, image in cases.items():
            with self.subTest(name):
                status, _, body = self.alice.push("team-a/runtime", name, image)
                self.assertEqual(status, 201, body)
                self.assertEqual(self.verdict("team-a/runtime", name)["decision"], "deny")
                self.assertEqual(self.pat.pull("team-a/runtime", name)[0], 403)

    def test_artifacts_stay_artifacts(self):
        chart = oci.tar({"chart/Chart.yaml": "name: chart\n"})
        cases = {"chart": image_of([(chart, chart)], b'{"name":"chart"}', "application/vnd.cncf.helm.config.v1+json",
                                   "application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
                 "cosign": image_of([(b'{"critical":{}}', b"")], layer_type="application/vnd.dev.cosign.simplesigning.v1+json"),
                 "file": image_of([(b"some file", b"")], b"{}", "application/vnd.oci.empty.v1+json")}
        for name, image in cases.items():
            with self.subTest(name):
                self.assertEqual(self.alice.push("team-a/artifact", name, image)[0], 201)
                self.assertEqual(self.pat.pull("team-a/artifact", name)[0], 200)

    # ---- the gate ----

    def test_head_and_get_agree_and_bytes_are_guarded(self):
        image, layer = unreadable()
        self.assertEqual(self.alice.push("team-a/denied", "v1", image)[0], 201)
        for method in ("HEAD", "GET"):
            for reference in ("v1", image.digest):
                self.assertEqual(self.pat.pull("team-a/denied", reference, method=method)[0], 403)
                self.assertEqual(self.alice.pull("team-a/denied", reference, "pull", method)[0], 403)
                self.assertEqual(self.admin.pull("team-a/denied", reference, "pull", method)[0], 403)
                self.assertEqual(self.alice.pull("team-a/denied", reference, "pull,push", method)[0], 200)
            self.assertEqual(self.pat.send(method, f"/v2/team-a/denied/blobs/{layer}")[0], 403)
        path, token = f"/v2/team-a/denied/blobs/{layer}", self.alice.token("team-a/denied", "pull,push")
        for headers in ({}, {"Range": "bytes=0-9"}, {"If-None-Match": f'"{layer}"'}):
            self.assertEqual(self.alice.send("GET", path, headers=headers, authorization=token)[0], 403)
        self.assertEqual(self.admin.send("GET", path, authorization=self.admin.token("team-a/denied", "pull,push"))[0], 200)
        # A log-in that signs reads the manifest; bytes need a token that pushes, or names pull-blocked, whoever owns it.
        for name, manifest in (("admin", 200), ("alice", 200), ("pat", 403)):
            signer = self.server.client(name + "+sign")
            self.assertEqual(signer.pull("team-a/denied", image.digest)[0], manifest, name)
            token = signer.token("team-a/denied", "pull")
            self.assertEqual(signer.send("GET", path, authorization=token)[0], 403, name)
        # Not carried elsewhere by a mount either.
        query = "scope=repository:team-a/denied:pull,push&scope=repository:team-a/other:pull,push"
        token = "Bearer " + json.loads(self.alice.send("GET", f"/v2/token?{query}")[2])["token"]
        status, _, _ = self.alice.send("POST", f"/v2/team-a/other/blobs/uploads/?mount={layer}&from=team-a/denied", b"", authorization=token)
        self.assertEqual(status, 202)
        events = [(e["action"], e["outcome"], e["actor"]) for e in self.admin.api("GET", "/audit?limit=1000")[1]["items"]]
        for event in (("manifest.pull", "refused", "pat"), ("blob.pull", "refused", "alice"), ("gate.exemption", "done", "alice")):
            self.assertIn(event, events)

    def test_indexes_are_gated_by_their_children(self):
        bad, _ = unreadable()
        self.assertEqual(self.alice.push("team-a/app", "bad", bad)[0], 201)
        linux = {"os": "linux", "architecture": "amd64"}
        claim = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": self.good.digest}
        cases = {"half": ([self.good.descriptor(platform=linux), {**self.good.descriptor(platform={"os": "linux", "architecture": "arm64"}), "digest": MISSING}], 200),
                 "false-attestation": ([self.good.descriptor(platform=linux), bad.descriptor(platform={"os": "unknown", "architecture": "unknown"}, annotations=claim)], 200),
                 "only-bad": ([bad.descriptor(platform=linux)], 403)}
        for name, (children, expected) in cases.items():
            with self.subTest(name):
                self.assertEqual(self.alice.put_manifest("team-a/app", name, index(children), oci.INDEX)[0], 201)
                self.assertEqual(self.pat.pull("team-a/app", name)[0], expected)
        only_missing = index([{**self.good.descriptor(platform=linux), "digest": MISSING}])
        self.assertEqual(self.alice.put_manifest("team-a/app", "only-missing", only_missing, oci.INDEX)[0], 201)
        self.assertEqual(self.pat.pull("team-a/app", "only-missing")[0], 403)
        self.assertEqual(self.pat.pull("team-a/app", bad.digest)[0], 403)
        self.assertEqual(self.verdict("team-a/app", "false-attestation")["points"]["admission"]["decision"], "deny")

    def test_statements_do_not_cost_hours(self):
        """One index of many children, each with the same large statement many times, is judged in seconds."""
        token = self.alice.token("team-a/app", "pull,push")
        statement = json.dumps({"_type": "https://in-toto.io/Statement/v1", "predicateType": "x", "predicate": {"pad": ["aaaaaaa"] * 1_000_000},
                                "subject": [{"name": "x", "digest": {"sha256": self.good.digest[7:]}}]}).encode()
        layer = {"mediaType": "application/vnd.in-toto+json", "digest": oci.digest(statement), "size": len(statement)}
        children = []
        for i in range(8):
            child = image_of([(b"{}", b"")], b"{}", "application/vnd.oci.empty.v1+json", annotations={"i": str(i)})
            document = json.loads(child.manifest)
            document["layers"] = [layer] * 40
            child.manifest = json.dumps(document).encode()
            child.digest = oci.digest(child.manifest)
            children.append(child)
        for data in (statement, b"{}"):
            self.assertEqual(self.alice.push_blob("team-a/app", data, token)[0], 201)
        for child in children:
            self.assertEqual(self.alice.put_manifest("team-a/app", child.digest, child.manifest, token=token)[0], 201)
        begin = time.monotonic()
        body = index([self.good.descriptor(platform={"os": "linux", "architecture": "amd64"})] + [c.descriptor() for c in children] * 10)
        self.assertEqual(self.alice.put_manifest("team-a/app", "statements", body, oci.INDEX, token)[0], 201)
        self.assertLess(time.monotonic() - begin, 15)

    def test_policy_changes_count_at_once(self):
        artifact = image_of([(b"data", b"")], b"{}", "application/vnd.oci.empty.v1+json", artifactType="application/vnd.example")
        self.assertEqual(self.alice.push("team-a/policy", "v1", artifact)[0], 201)
        yaml = "policy: strict\napplies_to: {repositories: ['team-a/policy'], at: [pull]}\nmode: enforce\nartifacts: deny\n"
        for _ in range(3):
            self.assertEqual(self.pat.pull("team-a/policy", "v1")[0], 200)
            self.assertEqual(self.admin.api("PUT", "/policies/strict", {"yaml": yaml})[0], 200)
            self.assertEqual(self.pat.pull("team-a/policy", "v1")[0], 403)
            self.assertEqual(self.admin.api("DELETE", "/policies/strict")[0], 204)

    def test_ambiguous_manifests(self):
        manifest, both = self.good.manifest, json.loads(self.good.manifest)
        both["manifests"] = [self.secret.descriptor()]
        for body, media_type in ((manifest, oci.INDEX), (json.dumps(both).encode(), oci.MANIFEST), (manifest[:-1] + b',"layers":[]}', oci.MANIFEST),
                                 (manifest[:-1] + b',"Layers":[]}', oci.MANIFEST), (b"{}", "application/json")):
            status, _, answer = self.alice.put_manifest("team-a/app", "odd", body, media_type)
            self.assertEqual((status, json.loads(answer)["errors"][0]["code"]), (400, "MANIFEST_INVALID"))
        self.assertEqual(self.alice.put_manifest("team-a/app", MISSING, manifest)[0], 400)
        self.assertEqual(self.alice.put_manifest("team-a/app", "large", b" " * (5 << 20))[0], 413)

    # ---- tenancy ----

    def test_other_tenants_do_not_exist(self):
        layer = next(iter(self.secret.blobs))
        for suffix in ("manifests/v1", "tags/list", f"referrers/{self.secret.digest}", f"blobs/{layer}"):
            there, never = (self.alice.send("GET", f"/v2/team-b/{name}/{suffix}") for name in ("secret", "never"))
            self.assertEqual((there[0], there[2].replace(b"secret", b"never")), (404, never[2]))
        token = self.alice.token("team-a/app", "pull,push")
        for method in ("HEAD", "GET"):
            self.assertEqual(self.alice.send(method, f"/v2/team-a/app/blobs/{layer}", authorization=token)[0], 404)
        for query in (f"mount={layer}&from=team-b/secret", f"mount={layer}"):
            self.assertEqual(self.alice.send("POST", f"/v2/team-a/app/blobs/uploads/?{query}", b"", authorization=token)[0], 202)
        thief = json.loads(self.good.manifest)
        thief["layers"].append({"mediaType": oci.LAYER, "digest": layer, "size": len(self.secret.blobs[layer])})
        self.assertEqual(self.alice.put_manifest("team-a/app", "thief", json.dumps(thief).encode())[0], 404)
        self.assertEqual(json.loads(self.alice.send("GET", f"/v2/team-a/app/referrers/{self.secret.digest}", authorization=token)[2])["manifests"], [])
        self.assertNotIn(b"team-b", self.alice.send("GET", "/v2/_catalog")[2])

    def test_upload_sessions_of_others(self):
        data, token = os.urandom(100_000), self.bob.token("team-b/x", "pull,push")
        location = self.bob.send("POST", "/v2/team-b/x/blobs/uploads/", b"", authorization=token)[1]["location"]
        self.assertEqual(self.bob.send("PATCH", location, data[:50_000], {"Content-Range": "0-49999"}, token)[0], 202)
        for who, path in ((self.carol, location), (self.alice, location), (self.alice, location.replace("team-b/x", "team-a/app"))):
            for method in ("GET", "PATCH", "PUT", "DELETE"):
                target = path + (f"?digest={oci.digest(data)}" if method == "PUT" else "")
                self.assertEqual(who.send(method, target, b"x" if method in ("PATCH", "PUT") else None)[0], 404)
        for text, expected in (("0-49999", 416), ("9-5", 400), ("0-18446744073709551615", 400), ("50000-50003", 400), ("a-b", 400)):
            self.assertEqual(self.bob.send("PATCH", location, data[50_000:], {"Content-Range": text}, token)[0], expected)
        finish = f"{location}?digest={oci.digest(data)}"
        self.assertEqual(self.bob.send("PUT", finish, data[50_000:], authorization=token)[0], 201)
        self.assertEqual(self.bob.send("PUT", finish, b"", authorization=token)[0], 404)

    def test_parallel_chunks(self):
        token = self.bob.token("team-b/x", "pull,push")
        location = self.bob.send("POST", "/v2/team-b/x/blobs/uploads/", b"", authorization=token)[1]["location"]
        answers = []
        threads = [threading.Thread(target=lambda i=i: answers.append(
            self.server.client("bob").send("PATCH", location, bytes([i]) * 500_000, {"Content-Range": "0-499999"}, token)[0])) for i in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers.count(202), 1, answers)
        self.assertTrue(set(answers) <= {202, 400, 416}, answers)
        self.assertEqual(self.bob.send("GET", location, authorization=token)[1]["range"], "0-499999")

    def test_deleted_blobs_and_rights_to_delete(self):
        data, token = os.urandom(1000), self.admin.token("team-a/app", "pull,push,delete")
        self.assertEqual(self.admin.push_blob("team-a/app", data, token)[0], 201)
        path = f"/v2/team-a/app/blobs/{oci.digest(data)}"
        developer = self.alice.token("team-a/app", "pull,push,delete")
        for target in (path, f"/v2/team-a/app/manifests/{self.good.digest}", "/v2/team-a/app/manifests/good"):
            self.assertEqual(self.alice.send("DELETE", target, authorization=developer)[0], 403)
        self.assertEqual(self.admin.send("DELETE", path, authorization=token)[0], 202)
        for method in ("HEAD", "GET"):
            self.assertEqual(self.admin.send(method, path, authorization=token)[0], 404)

    def test_names_used_again_inherit_nothing(self):
        dave = self.make_user("dave", ("developer", "team-c/**"))
        self.assertEqual(dave.push("team-c/app", "v1", self.good)[0], 201)
        location = dave.send("POST", "/v2/team-c/app/blobs/uploads/", b"", authorization=dave.token("team-c/app", "pull,push"))[1]["location"]
        wish = {"vulnerability": "CVE-2024-3094", "package": "*", "reference": "*", "reason": "risk_accepted", "note": "x",
                "repository": "team-c/app", "expires": time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 30 * 86400))}
        status, made = self.admin.api("POST", "/exceptions", wish)
        self.assertEqual(status, 201, made)
        self.assertEqual(self.admin.api("DELETE", "/repositories/team-c/app")[0], 204)
        listed = [e for e in self.admin.api("GET", "/exceptions")[1]["items"] if e["id"] == made["id"]]
        self.assertTrue(all("revoked" in e for e in listed), listed)
        self.assertEqual(dave.send("GET", "/v2/team-c/app/manifests/v1")[0], 404)
        self.assertEqual(dave.send("GET", location)[0], 404)
        self.make_project("team-d")
        erin = self.make_user("erin", ("developer", "team-d/**"))
        self.assertEqual(self.admin.api("DELETE", "/projects/team-d")[0], 204)
        self.make_project("team-d")
        self.assertEqual(erin.send("POST", "/v2/team-d/app/blobs/uploads/", b"")[0], 404)

    # ---- log-in and tokens ----

    def test_tokens_are_not_widened(self):
        for scope in ("repository:team-b/secret:pull,push", "repository:team-b/secret:*", "registry:catalog:*", "repository:team-a/app:pull,delete,x",
                      "repository:team-a/../team-b/secret:pull"):
            token = "Bearer " + json.loads(self.alice.send("GET", f"/v2/token?scope={scope}")[2])["token"]
            self.assertEqual(self.alice.send("GET", "/v2/team-b/secret/manifests/v1", authorization=token)[0], 404)
            self.assertEqual(self.alice.send("DELETE", "/v2/team-a/app/manifests/good", authorization=token)[0], 403)
            self.assertEqual(self.alice.api("POST", "/projects", {"name": "mine"})[0], 403)
        self.assertEqual(self.alice.send("GET", "/v2/token?" + "&".join(f"scope=repository:team-a/a{i}:pull" for i in range(65)))[0], 400)

    def test_globs(self):
        for name, expected in (("team-ab/x", 404), ("team-a", 404), ("team-a-x/y", 404), ("xteam-a/y", 404), ("TEAM-A/y", 400), ("team-a/y", 202)):
            self.assertEqual(self.alice.send("POST", f"/v2/{name}/blobs/uploads/", b"")[0], expected, name)

    def test_first_password_only_sets_a_new_one(self):
        first = "first-" + harness.PASSWORD
        self.assertEqual(self.admin.api("POST", "/users", {"name": "newbie", "password": first})[0], 201)
        self.assertEqual(self.admin.api("POST", "/users/newbie/grants", {"role": "developer", "repositories": "team-a/**"})[0], 201)
        newbie = self.server.client("newbie", first)
        for method, path in (("GET", "/v2/"), ("GET", "/v2/token?scope=repository:team-a/app:pull"), ("GET", "/v2/team-a/app/manifests/good"),
                             ("GET", "/v2/_catalog"), ("POST", "/v2/team-a/app/blobs/uploads/"), ("GET", "/api/v1/repositories"), ("GET", "/metrics")):
            self.assertEqual(newbie.send(method, path, b"" if method == "POST" else None)[0], 403, path)
        form = f"grant_type=password&username=newbie&password={first}&scope=repository:team-a/app:pull".encode()
        self.assertEqual(newbie.send("POST", "/v2/token", form, {"Content-Type": "application/x-www-form-urlencoded"})[0], 403)

    def test_disabled_accounts_lose_their_tokens(self):
        rob = self.make_user("rob", ("puller", "team-a/**"))
        token = rob.token("team-a/app", "pull")
        self.assertEqual(rob.send("GET", "/v2/team-a/app/tags/list", authorization=token)[0], 200)
        self.assertEqual(self.admin.api("PATCH", "/users/rob", {"disabled": True})[0], 200)
        for authorization in (token, None):
            self.assertEqual(rob.send("GET", "/v2/team-a/app/tags/list", authorization=authorization)[0], 401)

    def test_a_flood_of_log_ins_does_not_stop_pulls(self):
        token, stop = self.pat.token("team-a/app", "pull"), threading.Event()

        def guess(i):
            while not stop.is_set():
                connection = http.client.HTTPConnection(self.server.address, timeout=30)
                basic = base64.b64encode(b"nobody%d-%d:wrong-wrong-wrong" % (i, time.monotonic_ns())).decode()
                connection.request("GET", "/v2/token", headers={"Authorization": "Basic " + basic})
                connection.getresponse().read()
                connection.close()
                stop.wait(0.05)

        threads = [threading.Thread(target=guess, args=(i,), daemon=True) for i in range(64)]
        for thread in threads:
            thread.start()
        stop.wait(1)
        times = []
        for _ in range(7):
            begin = time.monotonic()
            self.assertEqual(self.pat.send("GET", "/v2/team-a/app/manifests/good", authorization=token)[0], 200)
            times.append(time.monotonic() - begin)
        stop.set()
        for thread in threads:
            thread.join()
        print(f"measured: pull among log-ins: median {sorted(times)[3] * 1e3:.0f} ms; server {self.server.rss() >> 20} MiB")
        self.assertLess(sorted(times)[3], 1.0)

    def test_refusals_at_the_door_are_recorded(self):
        self.assertEqual(self.alice.send("GET", "/v2/team-b/secret/manifests/v1")[0], 404)
        self.assertEqual(self.alice.api("GET", "/audit")[0], 403)
        events = [e for e in self.admin.api("GET", "/audit?limit=1000")[1]["items"] if e["outcome"] == "refused" and e["actor"] == "alice"]
        for route in ("GET /v2/{name}/manifests/{reference}", "GET /api/v1/audit"):
            self.assertTrue(any(route in e["reason"] for e in events), (route, events))
        self.assertNotIn("was not recorded", self.server.text())

    def test_data_is_private(self):
        for path in (self.server.data / "data").rglob("*"):
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    # ---- lists ----

    def test_page_sizes(self):
        for n, expected in (("9999999999", 200), ("0", 200), ("-1", 400), ("1e9", 400), ("0x10", 400), ("18446744073709551616", 400), ("", 400), ("1&n=2", 400)):
            for path in ("/v2/_catalog", "/v2/team-a/app/tags/list"):
                self.assertEqual(self.alice.send("GET", f"{path}?n={n}")[0], expected, (path, n))
        self.assertEqual(self.alice.send("GET", "/api/v1/repositories?limit=99999999")[0], 400)

    def test_catalog_for_strangers(self):
        for path in ("/v2/_catalog", "/v2/_catalog/", "//v2/_catalog", "/v2/%5fcatalog", "/V2/_catalog"):
            connection = http.client.HTTPConnection(self.server.address)
            connection.request("GET", path, headers={"X-Forwarded-For": "127.0.0.1", "Host": "core"})
            answer = connection.getresponse()
            self.assertEqual(answer.status, 401, path)
            self.assertNotIn("core", answer.getheader("www-authenticate"))

    def test_many_large_referrers(self):
        """Pages of a few MB, linked, whatever hangs on a subject."""
        token = self.alice.token("team-a/refs", "pull,push")
        self.assertEqual(self.alice.push("team-a/refs", "v1", self.good)[0], 201)
        self.assertEqual(self.alice.push_blob("team-a/refs", b"{}", token)[0], 201)
        expected = set()
        for i in range(5):
            body = json.dumps({"schemaVersion": 2, "mediaType": oci.MANIFEST, "artifactType": "application/vnd.example", "layers": [],
                               "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": oci.digest(b"{}"), "size": 2},
                               "subject": self.good.descriptor(), "annotations": {f"a{i}": "x" * 3_000_000}}).encode()
            self.assertEqual(self.alice.put_manifest("team-a/refs", oci.digest(body), body, token=token)[0], 201)
            expected.add(oci.digest(body))
        path, seen = f"/v2/team-a/refs/referrers/{self.good.digest}?artifactType=application/vnd.example", set()
        while path:
            status, headers, body = self.pat.send("GET", path)
            self.assertEqual(status, 200)
            self.assertLess(len(body), 5 << 20)
            seen |= {d["digest"] for d in json.loads(body)["manifests"]}
            path = headers["link"][1:headers["link"].index(">")] if "link" in headers else None
        self.assertEqual(seen, expected)

    # ---- framing ----

    def raw(self, data):
        host, port = self.server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            out = b""
            while part := connection.recv(1 << 16):
                out += part
        return int(out.split(b" ", 2)[1]), out.count(b"HTTP/1.1 ")

    def test_framing(self):
        host = b"Host: " + self.server.address.encode() + b"\r\n"
        post, get = b"POST /v2/ HTTP/1.1\r\n" + host, b"GET /healthz HTTP/1.1\r\n" + host
        smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n"
        for head in (post + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled, post + b"Transfer-Encoding : chunked\r\n\r\n" + smuggled,
                     post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", post + b"Content-Length: +1\r\n\r\na",
                     post + b"Transfer-Encoding: xchunked\r\n\r\n" + smuggled, post + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + smuggled,
                     post.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + smuggled, get.replace(b"\r\n", b"\n") + b"\n",
                     b"GET /healthz HTTP/1.1\r\n\r\n", get + host + b"\r\n", get + b"X: a\r\n b\r\n\r\n", get + b"X: a\0b\r\n\r\n",
                     b"GET http://evil.test/healthz HTTP/1.1\r\n" + host + b"\r\n"):
            self.assertEqual(self.raw(head), (400, 1), head[:120])
        self.assertEqual(self.raw(get + b"X: " + b"a" * 100_000 + b"\r\n\r\n"), (431, 1))
        self.assertEqual(self.raw(get + b"Content-Length: 5\r\n\r\nGET /" + get + b"Connection: close\r\n\r\n"), (200, 2))


class Stopping(unittest.TestCase):
    """A stop answers who waits for an analysis that does not end."""

    def stop_while(self, on_push, wait, at_most, before=lambda client: None):
        """`wait(client)` is a request that is held, after `before(client)`; how it was answered."""
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "bulwark.yaml"
            config.write_text(f"policies: [{{policy: default, on_push: {on_push}, unscanned: hold 30s, unscannable: {{image: allow}}, gaps: allow, rules: []}}]\n")
            server, stopped, answers = harness.Server("--config", config), set(), []
            done = threading.Event()

            def freeze():  # no analysis ends
                while not done.is_set():
                    for worker in set(server.workers()) - stopped:
                        stopped.add(worker)
                        try:
                            os.kill(worker, signal.SIGSTOP)
                        except ProcessLookupError:
                            pass
                    done.wait(0.002)
            freezer = threading.Thread(target=freeze)
            try:
                freezer.start()
                before(server.client())
                waiter = threading.Thread(target=lambda: answers.append(wait(server.client())))
                waiter.start()
                waiter.join(2)
                self.assertTrue(waiter.is_alive())  # it is held
                begin = time.monotonic()
                server.process.send_signal(signal.SIGTERM)
                server.process.wait(40)
                self.assertLess(time.monotonic() - begin, at_most)
                waiter.join()
                return answers[0]
            finally:
                done.set()
                freezer.join()
                for worker in stopped:
                    try:
                        os.kill(worker, signal.SIGCONT)
                    except ProcessLookupError:
                        pass
                server.close()

    def test_a_held_pull(self):
        status = self.stop_while("accept", lambda client: client.pull("library/held", "v")[0], 8,
                                 lambda client: client.push("library/held", "v", oci.Image([{"a": os.urandom(3_000_000)}])))
        self.assertIn(status, (403, 503))

    def test_a_held_push(self):
        def wait(client):
            return client.push("library/held", "v", oci.Image([{"a": os.urandom(3_000_000)}]))
        status, _, body = self.stop_while("refuse", wait, 15)  # 10 s of them are the grace
        self.assertEqual(status, 403, body)


if __name__ == "__main__":
    unittest.main()
