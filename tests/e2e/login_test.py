"""bulwark login and logout: Docker's and podman's files, helpers, the terminal."""
import base64
import json
import os
import pty
import stat
import termios
import time
import unittest

import harness
from copy_case import CopyCase


class Login(CopyCase):
    def test_login_and_logout(self):
        folder = self.folder / "login"
        folder.mkdir()
        env = {**self.env, "DOCKER_CONFIG": str(folder)}
        host, config = self.proxies[0].address, folder / "config.json"
        config.write_text('{"detachKeys": "ctrl-e,e"}')
        wrong = harness.bulwark("login", host, "-u", "admin", "--password-stdin", stdin="wrong\n", env=env)
        self.assertEqual(wrong.returncode, 3, wrong.stderr)
        self.assertEqual(config.read_text(), '{"detachKeys": "ctrl-e,e"}')
        right = harness.bulwark("login", host, "-u", "admin", "--password-stdin", stdin=harness.PASSWORD + "\n", env=env)
        self.assertEqual(right.returncode, 0, right.stderr)
        self.assertIn("clear text", right.stderr)
        self.assertNotIn(harness.PASSWORD, right.stderr + right.stdout)
        self.assertEqual(stat.S_IMODE(config.stat().st_mode), 0o600)
        self.assertEqual(json.loads(config.read_text())["detachKeys"], "ctrl-e,e")
        listed = harness.bulwark("user", "list", host, env=env)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertEqual(harness.bulwark("logout", host, env=env).returncode, 0)
        self.assertNotEqual(harness.bulwark("user", "list", host, env=env).returncode, 0)
        # What podman stored is forgotten as well, and hides no newer log-in.
        (folder / "run/containers").mkdir(parents=True)
        podmans = folder / "run/containers/auth.json"
        auth = base64.b64encode(b"admin:old").decode()
        podmans.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
        beside = {**env, "XDG_RUNTIME_DIR": str(folder / "run")}
        self.assertEqual(harness.bulwark("login", host, "-u", "admin", "--password-stdin", stdin=harness.PASSWORD + "\r\n", env=beside).returncode, 0)
        self.assertEqual(harness.bulwark("user", "list", host, env=beside).returncode, 0)
        out = harness.bulwark("logout", host, env=beside)
        self.assertIn(str(podmans), out.stderr)
        self.assertNotEqual(harness.bulwark("user", "list", host, env=beside).returncode, 0)
        # With a helper, the password reaches only that.
        tools = folder / "bin"
        tools.mkdir()
        helper = tools / "docker-credential-fake"
        helper.write_text(f"""#!/bin/sh
case "$1" in
store) cat > "{folder}/kept" ;;
get) read host; [ -f "{folder}/kept" ] || {{ echo "credentials not found in native keychain"; exit 1; }}; cat "{folder}/kept" ;;
erase) [ "$(cat)" = "{host}" ] && rm "{folder}/kept" ;;
esac
""")
        helper.chmod(0o755)
        config.write_text('{"credsStore": "fake"}')
        env["PATH"] = f"{tools}:{os.environ['PATH']}"
        kept = harness.bulwark("login", host, "-u", "admin", "--password-stdin", stdin=harness.PASSWORD + "\n", env=env)
        self.assertEqual(kept.returncode, 0, kept.stderr)
        self.assertNotIn("clear text", kept.stderr)
        self.assertEqual(json.loads((folder / "kept").read_text()), {"ServerURL": host, "Username": "admin", "Secret": harness.PASSWORD})
        self.assertEqual(config.read_text(), '{"credsStore": "fake"}')
        self.assertEqual(harness.bulwark("user", "list", host, env=env).returncode, 0)
        self.assertEqual(harness.bulwark("logout", host, env=env).returncode, 0)
        self.assertFalse((folder / "kept").exists())
        self.assertEqual(harness.bulwark("login", host, stdin="", env=env).returncode, 2)

    def test_the_scheme_of_a_login_decides(self):
        folder = self.folder / "scheme"
        folder.mkdir()
        env = {**self.env, "DOCKER_CONFIG": str(folder)}
        login = lambda address, *more: harness.bulwark("login", address, "-u", "admin", "--password-stdin", *more, stdin=harness.PASSWORD + "\n", env=env)
        host = self.proxies[0].address
        secure = login(f"https://{host}")  # which has no TLS
        self.assertEqual(secure.returncode, 3, secure.stderr)
        self.assertIn(f"https://{host}", secure.stderr)
        self.assertFalse((folder / "config.json").exists())
        self.assertEqual(login(f"http://{host}").returncode, 0)
        self.assertEqual(login(f"https://{host}", "--plain-http").returncode, 2)
        named = harness.bulwark("login", host, "-u", "admin:x", "--password-stdin", stdin="y\n", env=env)
        self.assertEqual(named.returncode, 2, named.stderr)
        self.assertIn("':'", named.stderr)

    def test_the_terminal_does_not_echo_the_password(self):
        folder = self.folder / "terminal"
        folder.mkdir()
        process, terminal = pty.fork()
        if process == 0:
            os.environ.update({**self.env, "DOCKER_CONFIG": str(folder)})
            os.execv(harness.BULWARK, [str(harness.BULWARK), "login", self.proxies[0].address, "-u", "admin"])
        shown = b""
        while b"Password" not in shown:
            shown += os.read(terminal, 1000)
        while termios.tcgetattr(terminal)[3] & termios.ECHO:  # the prompt comes before the echo goes
            time.sleep(0.01)
        os.write(terminal, harness.PASSWORD.encode() + b"\n")
        try:
            while more := os.read(terminal, 1000):
                shown += more
        except OSError:  # the other end is gone
            pass
        _, status = os.waitpid(process, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0, shown)
        self.assertIn(b"logged in", shown)
        self.assertNotIn(harness.PASSWORD.encode(), shown)
        self.assertTrue((folder / "config.json").exists())


if __name__ == "__main__":
    unittest.main()
