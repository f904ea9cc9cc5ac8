"""Attacks on who may what (rows of attack_rows.py, "tenancy"), against a real server."""

import base64
import http.client
import json
import os
import re
import threading
import time
import unittest
import urllib.parse

import harness
import oci
from attack_world import World, answers

TEAM_B = re.compile(r"team-b(?!/(never|ever))")


def routes(method="get"):
    """(path, names of query parameters) of the OpenAPI document."""
    out, path, verb = [], None, None
    for line in (harness.ROOT / "docs/openapi.yaml").read_text().splitlines():
        if m := re.match(r"  (/\S*):$", line):
            path, verb = m[1], None
        elif m := re.match(r"    (get|post|put|patch|delete|head):$", line):
            verb = m[1]
            if path and verb == method:
                out.append((path, []))
        elif verb == method and (m := re.search(r"\{name: (\w+), in: query", line)):
            out[-1][1].append(m[1])
    return out


class Uploads(World):
    def test_sessions_of_others(self):
        """Found only by who opened it, where it was opened; by no spelling of the id."""
        data = os.urandom(1000)
        location, token = self.start(self.bob, "team-b/x")
        self.assertEqual(self.bob.send("PATCH", location, data[:500], authorization=token)[0], 202)
        identity = location.rsplit("/", 1)[1]
        strangers = [
            (self.alice, f"/v2/team-a/app/blobs/uploads/{identity}"),
            (self.alice, location),
            (self.carol, f"/v2/team-a/app/blobs/uploads/{identity}"),
            (self.mia, location),
            (self.admin, location),
            (self.admin, f"/v2/team-a/app/blobs/uploads/{identity}"),
            (self.pat, location),
        ]
        spellings = [identity.upper(), identity + "/", identity + "%00", "%2e/" + identity, identity[:-1], identity + "0", "../uploads/" + identity]
        for who, path in strangers + [(self.bob, location.replace(identity, s)) for s in spellings if s != identity]:
            for method in ("GET", "HEAD", "PATCH", "PUT", "DELETE"):
                target = path + (f"?digest={oci.digest(data)}" if method == "PUT" else "")
                status, _, body = who.send(method, target, b"evil" if method in ("PATCH", "PUT") else None)
                self.assertIn(status, (400, 403, 404, 405), (path, method, body))
        self.assertEqual(self.bob.send("GET", location, authorization=token)[1]["range"], "0-499")
        self.assertEqual(self.bob.send("PUT", f"{location}?digest={oci.digest(data)}", data[500:], authorization=token)[0], 201)

    def test_offsets_are_the_servers(self):
        data = os.urandom(3000)
        location, token = self.start(self.bob, "team-b/x")
        for text, expected in (
            ("5-9", 416),
            ("1-5", 416),
            ("9-5", 400),
            ("0-18446744073709551615", 400),
            ("0-9223372036854775807", 400),
            ("-1-4", 400),
            ("0-", 400),
            ("00-4", 400),
            ("0-4/5", 400),
            ("bytes 0-4", 400),
            ("0-4, 5-9", 400),
            ("0x0-4", 400),
            ("0-2", 400),
            ("0-5", 400),
        ):
            self.assertEqual(self.bob.send("PATCH", location, b"evil!", {"Content-Range": text}, token)[0], expected, text)
        self.assertEqual(self.bob.send("PATCH", location, data[:1000], {"Content-Range": "0-999"}, token)[0], 202)
        status, headers, _ = self.bob.send("PATCH", location, data[:1000], {"Content-Range": "0-999"}, token)
        self.assertEqual((status, headers["range"]), (416, "0-999"))
        self.assertEqual(self.bob.send("PATCH", location, data[500:1500], {"Content-Range": "500-1499"}, token)[0], 416)
        self.assertEqual(self.bob.send("PATCH", location, data[2000:], {"Content-Range": "2000-2999"}, token)[0], 416)
        for query in ("_state=x", "offset=0", "digest=" + oci.digest(b""), "state=%00"):
            self.assertIn(self.bob.send("GET", f"{location}?{query}", authorization=token)[1].get("range"), ("0-999", None))
        self.assertEqual(self.bob.send("PUT", f"{location}?digest={oci.digest(data)}", data[1000:2000], authorization=token)[0], 400)
        status, headers, _ = self.bob.send("GET", location, authorization=token)
        kept = int(headers["range"].split("-")[1]) + 1 if status == 204 else 0
        if status == 204:  # a wrong digest keeps what had arrived
            self.assertEqual(self.bob.send("PUT", f"{location}?digest={oci.digest(data)}", data[kept:], authorization=token)[0], 201)
            self.assertEqual(self.bob.send("PUT", f"{location}?digest={oci.digest(data)}", b"", authorization=token)[0], 404)
            self.assertEqual(self.bob.send("PATCH", location, b"x", authorization=token)[0], 404)

    def test_every_character_of_the_location(self):
        location, token = self.start(self.bob, "team-b/x")
        prefix, identity = location.rsplit("/", 1)
        for i, old in enumerate(identity):
            flipped = identity[:i] + ("0" if old != "0" else "1") + identity[i + 1 :]
            self.assertEqual(self.bob.send("PATCH", f"{prefix}/{flipped}", b"x", authorization=token)[0], 404)
        self.assertEqual(self.bob.send("GET", location, authorization=token)[1]["range"], "0-0")

    def test_parallel_chunks_do_not_mix(self):
        """Twenty at once, half of them without a range: bytes of one never stand between those of another."""
        location, token = self.start(self.bob, "team-b/x")
        size, done = 300_000, []

        def send(i):
            headers = {"Content-Range": f"0-{size - 1}"} if i % 2 else {}
            status = self.server.client("bob").send("PATCH", location, bytes([i]) * size, headers, token)[0]
            done.append((i, status))

        threads = [threading.Thread(target=send, args=(i,)) for i in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won = [i for i, status in done if status == 202]
        self.assertTrue(won)
        self.assertTrue({status for _, status in done} <= {202, 400, 416}, done)
        self.assertLessEqual(len([i for i in won if i % 2]), 1)
        total = int(self.bob.send("GET", location, authorization=token)[1]["range"].split("-")[1]) + 1
        self.assertEqual(total, size * len(won))
        spool = max((p for p in (self.server.data / "data").rglob("*") if p.is_file() and p.stat().st_size == total), key=lambda p: p.stat().st_mtime)
        content = spool.read_bytes()
        self.assertEqual({content[i * size : (i + 1) * size] for i in range(len(won))}, {bytes([i]) * size for i in won})
        self.assertEqual(self.bob.send("DELETE", location, authorization=token)[0], 204)


class Rights(World):
    def test_delete_is_not_push(self):
        """Not for who pushes (403), and not under a token for pushing, whoever owns it (401 that names what it takes)."""
        referrer = {
            "schemaVersion": 2,
            "mediaType": oci.MANIFEST,
            "artifactType": "application/vnd.example",
            "subject": self.good.descriptor(),
            "layers": [],
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": oci.digest(b"{}"), "size": 2},
        }
        body = json.dumps(referrer).encode()
        token = self.alice.token("team-a/app", "pull,push")
        self.assertEqual(self.alice.push_blob("team-a/app", b"{}", token)[0], 201)
        self.assertEqual(self.alice.put_manifest("team-a/app", oci.digest(body), body, token=token)[0], 201)
        layer = next(iter(self.good.blobs))
        targets = [f"/v2/team-a/app/manifests/{r}" for r in (self.good.digest, "v1", oci.digest(body))] + [f"/v2/team-a/app/blobs/{layer}"]
        for who, actions, expected in (
            (self.alice, "pull,push", 403),
            (self.alice, "pull,push,delete", 403),
            (self.alice, "*", 403),
            (self.pat, "delete", 403),
            (self.mia, "pull,push", 401),
            (self.admin, "pull,push", 401),
            (self.bob, "pull,push,delete", 404),
        ):
            token = who.token("team-a/app", actions)
            for target in targets:
                status, headers, answer = who.send("DELETE", target, authorization=token)
                self.assertEqual(status, expected, (who.basic, actions, target, answer))
                if expected == 401:
                    self.assertIn('scope="repository:team-a/app:delete",error="insufficient_scope"', headers["www-authenticate"])
        self.assertEqual(self.alice.api("DELETE", "/repositories/team-a/app")[0], 403)
        for override in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            self.assertEqual(self.alice.send("POST", targets[0], b"", {override: "DELETE"})[0], 405)
        for method, target in [("GET", t) for t in targets]:
            self.assertEqual(self.admin.send(method, target, authorization=self.admin.token("team-a/app", "pull"))[0], 200)
        self.assertTrue([e for e in self.events("alice") if e["outcome"] == "refused" and "DELETE" in e["reason"]])

    def test_catalog_for_strangers(self):
        """By no spelling, header or method; and who is known sees his own and no count of the rest."""
        for path in (
            "/v2/_catalog",
            "/v2/_catalog/",
            "//v2/_catalog",
            "/v2//_catalog",
            "/v2/%5fcatalog",
            "/v2/%5Fcatalog",
            "/%76%32/_catalog",
            "/V2/_catalog",
            "/v2/_catalog;a",
            "/v2/_catalog%00",
            "/v2/_catalog%20",
            "/v2/./_catalog",
            "/v2/x/../_catalog",
            "/v2/_catalog?n=1",
            "/v2/_catalog%3fn=1",
            "/v2%2f_catalog",
            "/v2/%255fcatalog",
            "/v2/_catalog.json",
            "/api/v1/repositories",
            "/api/v1/../../v2/_catalog",
            "/v2/token/../_catalog",
        ):
            for fields in (
                (),
                ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"),
                ("X-Original-URL: /v2/_catalog", "X-Rewrite-URL: /v2/_catalog"),
                ("Forwarded: for=127.0.0.1",),
                ("X-Forwarded-User: admin", "Remote-User: admin"),
                ("Authorization:",),
                ("Authorization: Basic",),
                ("Cookie: session=admin",),
            ):
                out = self.raw(self.head("GET", path, *fields, "Connection: close"))
                self.assertEqual(answers(out)[:1], [401], (path, fields, out[:200]))
                self.assertNotIn(b"team-", out)
        for host in ("core", "127.0.0.1", "localhost", "registry.internal:80"):
            out = self.raw(f"GET /v2/_catalog HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            self.assertEqual(answers(out), [401])
            self.assertNotIn(b"core", out)
        for query in ("", "?n=1", "?n=1000", "?last=team-a", "?last=team-", "?last=team-b"):
            status, headers, body = self.pat.send("GET", "/v2/_catalog" + query)
            self.assertLessEqual(set(json.loads(body)["repositories"]), {"team-a/app"})
            self.assertNotIn("link", headers)

    def test_page_sizes_everywhere(self):
        """Every paged route answers the same way, at once, and nothing is allocated by the number asked for."""
        before = self.server.rss()
        bad = ("-1", "1e9", "0x10", "18446744073709551616", "", "%2b1", "%201", "1%00", "१")
        paged = [(p.replace("{name}", "team-a/app"), "n") for p in ("/v2/_catalog", "/v2/{name}/tags/list")]
        paged += [(p.replace("{name}", "team-a/app"), "limit") for p, names in routes() if "limit" in names]
        self.assertGreater(len(paged), 6)
        for path, name in paged:
            begin = time.monotonic()
            for text in bad:
                self.assertEqual(self.admin.send("GET", f"{path}?{name}={urllib.parse.quote(text, safe='%')}")[0], 400, (path, text))
            self.assertEqual(self.admin.send("GET", f"{path}?{name}=1&{name}=2")[0], 400)
            self.assertIn(self.admin.send("GET", f"{path}?{name}=9999999999")[0], (200, 400))
            self.assertEqual(self.admin.send("GET", f"{path}?{name}=1000")[0], 200, path)
            last = "last" if name == "n" else "after"
            self.assertIn(self.admin.send("GET", f"{path}?{last}={'a' * 7000}")[0], (200, 400))
            self.assertLess(time.monotonic() - begin, 3)
        self.assertLess(self.server.rss() - before, 10 << 20)

    def test_nothing_tells_of_others(self):
        """Every GET route of the API description, with cursors that begin in the other team's names: no name, no digest of theirs, no count."""
        hidden = [self.secret.digest, *self.secret.blobs]
        for path, names in routes():
            for name in ("team-b/secret", "team-a/app"):
                target = path.replace("{name}", name).replace("{reference}", self.secret.digest).replace("{digest}", self.secret.digest)
                target = target.replace("{project}", "team-b").replace("{user}", "bob").replace("{id}", "1").replace("{policy}", "default")
                for query in ("", "?last=team-b/", "?after=team-b/", "?project=team-b", "?artifactType=x"):
                    status, headers, body = self.alice.send("GET", target + query)
                    self.assertLess(status, 500, target)
                    if "team-b" in target or self.secret.digest in target:  # what was asked for may be repeated, with no other word than for what never was
                        never = target.replace("team-b/secret", "team-b/never").replace(self.secret.digest, "sha256:" + "9" * 64)
                        other = self.alice.send("GET", never + query)
                        same = lambda text: text.replace("team-b/never", "team-b/secret").replace("sha256:" + "9" * 64, self.secret.digest)
                        self.assertEqual((status, body.decode()), (other[0], same(other[2].decode())), target)
                        continue
                    text = body.decode(errors="replace") + " ".join(v for k, v in headers.items() if k != "x-request-id")
                    self.assertFalse([h for h in hidden if h in text], target)
                    self.assertNotRegex(text, TEAM_B, target)
        self.assertEqual(self.alice.api("POST", "/projects", {"name": "team-b"}), self.alice.api("POST", "/projects", {"name": "team-z"}))

    def test_referrers_stay_in_their_repository(self):
        subject, hexes = self.secret.digest, self.secret.digest[7:]
        for repository in ("team-b/secret", "team-a/app"):
            for suffix in (
                f"referrers/{subject}",
                f"manifests/sha256-{hexes}",
                f"manifests/sha256-{hexes}.sig",
                f"manifests/{subject}",
                f"blobs/{self.secret_layer}",
            ):
                there = self.alice.send("GET", f"/v2/{repository}/{suffix}")
                never = self.alice.send("GET", f"/v2/{repository}/{suffix.replace(hexes, '9' * 64).replace(self.secret_layer, 'sha256:' + '9' * 64)}")
                same = never[2].replace(b"9" * 64, hexes.encode() if hexes in suffix else self.secret_layer[7:].encode())
                self.assertEqual((there[0], there[2]), (never[0], same), (repository, suffix))
        before = self.bob.send("GET", f"/v2/team-b/secret/referrers/{subject}")[2]
        why = self.bob.api("GET", "/repositories/team-b/secret/images/v1/why")[1]
        claim = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": oci.MANIFEST,
                "artifactType": "application/vnd.evil",
                "layers": [],
                "subject": self.secret.descriptor(),
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": oci.digest(b"{}"), "size": 2},
            }
        ).encode()
        token = self.alice.token("team-a/app", "pull,push")
        self.assertEqual(self.alice.push_blob("team-a/app", b"{}", token)[0], 201)
        self.assertEqual(self.alice.put_manifest("team-a/app", oci.digest(claim), claim, token=token)[0], 201)
        self.assertEqual(self.bob.send("GET", f"/v2/team-b/secret/referrers/{subject}")[2], before)
        self.assertEqual(self.bob.api("GET", "/repositories/team-b/secret/images/v1/why")[1]["decision"], why["decision"])

    def test_extra_keys_give_nothing(self):
        """Unknown keys are refused by name, whoever sends them, and change nothing."""
        extras = {
            "has_admin_role": True,
            "is_admin": True,
            "role": "admin",
            "roles": ["admin"],
            "id": 1,
            "email_verified": True,
            "mfa_enrolled": True,
            "groups": ["admin"],
            "Admin": True,
            "grants": [{"role": "admin", "repositories": "**"}],
            "must_change_password": False,
            "__proto__": {"admin": True},
        }
        for n, (key, value) in enumerate(extras.items()):
            for who in (self.admin, self.alice):
                status, body = who.api("POST", "/users", {"name": f"extra{n}", "password": "first-" + harness.PASSWORD, key: value})
                self.assertEqual(status, 400 if who is self.admin else 403, (key, body))
                if who is self.admin:
                    self.assertIn(key, json.dumps(body))
            self.assertEqual(self.admin.api("GET", f"/users/extra{n}")[0], 404)
            self.assertEqual(
                self.alice.api("PUT", "/self/password", {"current": harness.PASSWORD, "new": "other-" + harness.PASSWORD, key: value})[0], 400, key
            )
            self.assertEqual(self.alice.api("PATCH", "/users/alice", {key: value})[0], 403)
            self.assertEqual(self.admin.api("PATCH", "/users/alice", {key: value})[0], 400, key)
            self.assertIn(self.alice.api("PATCH", "/self", {key: value})[0], (404, 405))
            if key != "role":
                self.assertEqual(self.admin.api("POST", "/users/alice/grants", {"role": "puller", "repositories": "team-a/**", key: value})[0], 400)
        for text in (
            b'{"name":"extra","name":"extra2","password":"x"}',
            b'{"Name":"extra","password":"first-%s"}' % harness.PASSWORD.encode(),
            b"[]",
            b"null",
            b'{"name":{"$ne":1}}',
        ):
            self.assertEqual(self.admin.send("POST", "/api/v1/users", text, {"Content-Type": "application/json"})[0], 400, text)
        self.assertEqual(self.alice.api("GET", "/users")[0], 403)
        self.assertEqual(self.server.client("alice").send("GET", "/v2/")[0], 200)

    def test_globs_match_whole_components(self):
        gina = self.make_user("gina", ("developer", "team-a/*/web"), ("puller", "team-b/s*"))
        self.make_project("team-ab")
        self.make_project("xteam-a")
        for name, expected in (
            ("team-a/x/web", 202),
            ("team-a/web", 404),
            ("team-a/x/y/web", 404),
            ("team-a/x/web2", 404),
            ("team-a/x/webx/web", 404),
            ("team-ab/x/web", 404),
            ("xteam-a/x/web", 404),
            ("team-a/x/WEB", 400),
            ("team-a/x/web/", 404),
            ("team-a/%2a/web", 400),
            ("team-a/x%2fweb", 404),
            ("team-b/secret", 403),
            ("team-b/xs", 404),
            ("team-b/s/x", 404),
        ):
            self.assertEqual(gina.send("POST", f"/v2/{name}/blobs/uploads/", b"")[0], expected, name)
        for glob in ("**team", "team-a**", "a/**/b", "", "/", "team-a/../team-b/**", "TEAM/**", "team-a/***", "[a-z]/**", "team-a/{x,y}"):
            status, _ = self.admin.api("POST", "/users/gina/grants", {"role": "admin", "repositories": glob})
            if status == 201:  # what is taken must mean no more than it shows
                self.assertEqual(gina.send("POST", "/v2/team-b/zz/blobs/uploads/", b"")[0], 404, glob)
        self.assertEqual(gina.api("GET", "/users")[0], 403)


class Life(World):
    def until_refused(self, requests, change):
        """Does `change`, then tries each request every 100 ms: each must be refused within a second (the lease of rights), and stay refused."""
        for request in requests:
            self.assertLess(request(), 300)
        change()
        begin, refused = time.monotonic(), {}
        while time.monotonic() - begin < 1.8:
            for i, request in enumerate(requests):
                status = request()
                if status < 300:
                    self.assertNotIn(i, refused, "refused, then allowed again")
                    self.assertLess(time.monotonic() - begin, 1.5, i)
                else:
                    refused.setdefault(i, time.monotonic() - begin)
            time.sleep(0.1)
        return max(refused.values())

    def requests_of(self, who, repository="team-a/app"):
        pull, push = who.token(repository, "pull"), who.token(repository, "pull,push")
        client = self.server.client()
        return [
            lambda: client.send("GET", f"/v2/{repository}/manifests/v1", authorization=pull)[0],
            lambda: client.send("POST", f"/v2/{repository}/blobs/uploads/", b"", authorization=push)[0],
            lambda: client.send("GET", f"/v2/{repository}/manifests/v1", authorization=who.basic)[0],
            lambda: client.send("GET", f"/api/v1/repositories/{repository}/images", authorization=who.basic)[0],
        ]

    def test_rights_end_everywhere_at_once(self):
        longest = 0
        for n, what in enumerate(("disabled", "grant", "password")):
            name = f"rob{n}"
            who = self.make_user(name, ("developer", "team-a/**"))
            grant = self.admin.api("GET", f"/users/{name}")[1]["grants"][0]["id"]
            change = {
                "disabled": lambda: self.assertEqual(self.admin.api("PATCH", f"/users/{name}", {"disabled": True})[0], 200),
                "grant": lambda: self.assertEqual(self.admin.api("DELETE", f"/users/{name}/grants/{grant}")[0], 204),
                "password": lambda: self.assertEqual(self.admin.api("PUT", f"/users/{name}/password", {"password": "second-" + harness.PASSWORD})[0], 204),
            }[what]
            with self.subTest(what):
                longest = max(longest, self.until_refused(self.requests_of(who), change))
        print(f"\nmeasured: rights withdrawn: refused everywhere within {longest:.1f} s")

    def test_tokens_hold_no_more_than_their_owner(self):
        """Asked for more, in every form: what is not held is not given; what is given ends with the right."""
        for scope in (
            "repository:team-b/secret:pull",
            "repository:team-b/secret:pull,push,delete",
            "repository:**:pull",
            "repository:team-*/secret:pull",
            "repository:team-b/secret:*",
            "repository:team-a/../team-b/secret:pull",
            "repository:team-a/app:pull repository:team-b/secret:pull",
            "repository(plugin):team-b/secret:pull",
            "registry:catalog:*",
            "repository:team-b/secret:admin,pull-blocked,sign",
            "repository:TEAM-B/secret:pull",
            "repository:team-b/secret",
        ):
            status, _, body = self.alice.send("GET", "/v2/token?" + urllib.parse.urlencode({"scope": scope, "account": "admin", "client_id": "admin"}))
            self.assertIn(status, (200, 400), scope)
            token = "Bearer " + json.loads(body).get("token", "none")
            for target in (
                "/v2/team-b/secret/manifests/v1",
                f"/v2/team-b/secret/blobs/{self.secret_layer}",
                f"/v2/team-b/secret/referrers/{self.secret.digest}",
            ):
                self.assertIn(self.alice.send("GET", target, authorization=token)[0], (401, 404), scope)
            self.assertNotEqual(self.alice.send("DELETE", "/v2/team-a/app/manifests/v1", authorization=token)[0], 202)
        status, _, body = self.alice.send("GET", "/v2/token?scope=repository:team-a/app:pull", authorization=self.alice.token("team-a/app", "pull"))
        self.assertEqual(status, 401)

    def test_a_deleted_blob_stays_deleted(self):
        """The same bytes in two repositories, read in the other one all the while: gone here from the answer on."""
        data = os.urandom(5000)
        path = "/v2/{}/blobs/" + oci.digest(data)
        self.assertEqual(self.alice.push_blob("team-a/app", data, self.alice.token("team-a/app", "pull,push"))[0], 201)
        self.assertEqual(self.bob.push_blob("team-b/x", data, self.bob.token("team-b/x", "pull,push"))[0], 201)
        stop, seen = threading.Event(), []

        def read():
            client, token = self.server.client("bob"), self.bob.token("team-b/x", "pull")
            while not stop.is_set():
                seen.append(client.send("GET", path.format("team-b/x"), authorization=token)[0])

        thread = threading.Thread(target=read)
        thread.start()
        token = self.alice.token("team-a/app", "pull,push")
        self.assertEqual(self.alice.send("GET", path.format("team-a/app"), authorization=token)[0], 200)
        self.assertEqual(self.mia.send("DELETE", path.format("team-a/app"), authorization=self.mia.token("team-a/app", "delete"))[0], 202)
        got = {self.alice.send(method, path.format("team-a/app"), authorization=token)[0] for _ in range(250) for method in ("HEAD", "GET")}
        stop.set()
        thread.join()
        self.assertEqual(got, {404})
        self.assertEqual(set(seen), {200})
        manifest = json.loads(self.good.manifest)
        manifest["layers"] = [{"mediaType": oci.LAYER, "digest": oci.digest(data), "size": len(data)}]
        self.assertEqual(self.alice.put_manifest("team-a/app", "ghost", json.dumps(manifest).encode())[0], 404)

    def test_names_used_again_inherit_nothing(self):
        """A project and an account with old names: no grant, token, session, exception or policy of before works."""
        self.make_project("team-c")
        dave = self.make_user("dave", ("developer", "team-c/**"))
        self.assertEqual(dave.push("team-c/app", "v1", self.good)[0], 201)
        location, token = self.start(dave, "team-c/app")
        self.assertEqual(self.admin.api("DELETE", "/repositories/team-c/app")[0], 204)
        self.assertEqual(self.admin.api("DELETE", "/projects/team-c")[0], 204)
        self.make_project("team-c")
        self.assertEqual(self.admin.push("team-c/app", "v1", oci.debian_image([], {"id": "another"}))[0], 201)
        for request in (("GET", "/v2/team-c/app/manifests/v1"), ("GET", location), ("GET", "/v2/team-c/app/tags/list"), ("DELETE", location)):
            for authorization in (token, None):
                self.assertIn(dave.send(*request, authorization=authorization)[0], (401, 404), request)
        self.assertEqual(dave.send("POST", "/v2/team-c/app/blobs/uploads/", b"")[0], 404)

    def test_text_is_never_a_query(self):
        """Odd text wherever text goes: the answer is that for text that matches nothing, and never speaks SQL."""
        texts = (
            "'",
            '"',
            "%27--",
            "1) UNION SELECT 1",
            "' OR '1'='1",
            "%",
            "_",
            "\\",
            "\0",
            "a\0b",
            "*",
            "?",
            "[a]",
            ";",
            "NULL",
            "0x27",
            "\ud800".encode("utf-8", "surrogatepass"),
            b"\xff\xfe",
            "‮",
            "A" * 300,
            "'; DROP TABLE manifests; --",
            "team-%",
            "x' COLLATE NOCASE --",
        )
        quoted = [urllib.parse.quote(t if isinstance(t, bytes) else t.encode()) for t in texts]
        plain = "zzz-matches-nothing"
        places = [
            "/v2/team-a/app/tags/list?last={}",
            "/v2/_catalog?last={}",
            "/v2/team-a/app/referrers/" + self.good.digest + "?artifactType={}",
            "/v2/team-a/app/referrers/" + self.good.digest + "?last={}",
            "/v2/team-a/app/manifests/{}",
            "/api/v1/users/{}",
            "/api/v1/policies/{}",
            "/api/v1/exceptions?after={}",
            "/v2/token?scope={}",
            "/v2/token?account={}",
        ]
        places += [f"{p}?{n}={{}}" for p, names in routes() for n in names if "{" not in p]
        places += ["/api/v1/repositories/team-a/app/images/{}/why", "/api/v1/repositories/{}/images"]
        for place in places:
            normal = self.admin.send("GET", place.format(plain))
            rows = lambda body: {k: v for k, v in json.loads(body or b"{}").items() if isinstance(v, list)} if body[:1] == b"{" else None
            for text in quoted:
                status, _, body = self.admin.send("GET", place.format(text))
                self.assertLess(status, 500, (place, text, body))
                self.assertNotRegex(body.decode(errors="replace"), r"(?i)sqlite|syntax error|near \"|no such (table|column)|unrecognized token")
                if status == 200 == normal[0] and "token" not in place and "last=" not in place and "after=" not in place:
                    self.assertEqual(rows(body), rows(normal[2]), (place, text))
        for text in texts:
            if isinstance(text, str) and "\ud800" not in text:
                for body in ({"name": text}, {"name": "x", "description": text}):
                    self.assertIn(self.admin.api("POST", "/projects", body)[0], (400, 413) if text != "0x27" else (201, 400), text)
                self.assertIn(self.admin.api("POST", "/users/alice/grants", {"role": "puller", "repositories": text})[0], (201, 400, 413), text)
        self.assertEqual(self.alice.send("GET", "/v2/team-b/secret/manifests/v1")[0], 404)  # "_" and "%" stand for themselves in a grant
        self.assertEqual(self.admin.send("GET", "/v2/team-a/app/manifests/v1", authorization=self.admin.token("team-a/app", "pull"))[0], 200)


if __name__ == "__main__":
    unittest.main()
