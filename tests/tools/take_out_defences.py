#!/usr/bin/env python3
"""Takes defences out of the program, one at a time, and runs the attacks that must then succeed: a test that still passes tests nothing.

    tests/tools/take_out_defences.py           all of them (one build of a few files and a link each; about half an hour on 2 processors)
    tests/tools/take_out_defences.py ROW...    only these rows of tests/e2e/attack_rows.py
    tests/tools/take_out_defences.py --check   only whether each text is still where it was

Works in the tree that it stands in (build/release), which must be clean, and leaves it as it was. Exit code: 0 if every test noticed."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
REMOVED = "/* taken out */"
T, F, S, M = "attacks_tenancy_test", "attacks_framing_test", "attacks_storage_test", "attacks_manifests_test"

# row, file, what stands there (once), what stands there instead, a test that must fail
DEFENCES = [
    ("upload-session-foreign", "src/storage/uploads.cc", '"WHERE u.id = ?1 AND u.repository_id = ?2 AND u.principal_id = ?3 AND u.expires > ?4"',
     '"WHERE u.id = ?1 AND (u.repository_id = ?2 OR u.principal_id = ?3 OR 1) AND u.expires > ?4"', f"{T}.Uploads.test_sessions_of_others"),
    ("upload-offset-forgery", "src/service/uploads.cc", "if (offset && *offset != size) return", "if (offset && *offset > size + (1u << 30)) return",
     f"{T}.Uploads.test_offsets_are_the_servers"),
    ("delete-guards", "src/http/registry/manifests.cc", '{Method::kDelete, "/v2/{name}/manifests/{reference}", Access::kDelete,',
     '{Method::kDelete, "/v2/{name}/manifests/{reference}", Access::kPush,', f"{T}.Rights.test_delete_is_not_push"),
    ("catalog-anonymous", "src/http/registry/lists.cc", '"/v2/_catalog", Access::kAuthenticated,', '"/v2/_catalog", Access::kPublic,',
     f"{T}.Rights.test_catalog_for_strangers"),
    ("list-n-huge", "src/http/registry/parse.cc", "if (!asked) return bad;", "if (!asked) return page;", f"{T}.Rights.test_page_sizes_everywhere"),
    ("search-and-cursor-leak", "src/service/projects.cc", "if (!visible) continue;\n      if (out.items.size() == wanted)",
     "(void)visible;\n      if (out.items.size() == wanted)", f"{T}.Rights.test_nothing_tells_of_others"),
    ("referrers-of-private", "src/storage/content_manifests.cc", '"WHERE m.repository_id = ?1 AND m.subject = ?2', '"WHERE (m.repository_id = ?1 OR 1) AND m.subject = ?2',
     f"{T}.Rights.test_referrers_stay_in_their_repository"),
    ("mass-assignment-admin", "src/http/api/json_body.cc", "BW_CHECK(formats::OnlyKeys(*object, known));", "(void)known;", f"{T}.Rights.test_extra_keys_give_nothing"),
    ("scope-glob-confusion", "src/base/strings.cc", "if (star_p != std::string_view::npos && star_t < text.size() && text[star_t] != '/') {",
     "if (star_p != std::string_view::npos && star_t < text.size()) {", f"{T}.Rights.test_globs_match_whole_components"),
    ("recycled-names", "src/service/projects.cc", "BW_CHECK(auth::RemoveGrantsWithin(tx, name));", REMOVED, f"{T}.Life.test_names_used_again_inherit_nothing"),
    ("deleted-blob-returns", "src/storage/content_blobs.cc", 'BW_CHECK(Run(tx, "DELETE FROM leases WHERE repository_id = ?1 AND digest = ?2", {repository, digest.str()}));\n'
     "  return MarkLoose(tx, digest, now);", "return MarkLoose(tx, digest, now);", f"{T}.Life.test_a_deleted_blob_stays_deleted"),
    ("te-other-plus-cl", "src/net/framing.cc", 'if (!EqualsIgnoreCase(*coding, "chunked")) return Refusal{400, "Transfer-Encoding other than chunked"};', REMOVED,
     f"{F}.Framing.test_two_lengths"),
    ("http10-chunked", "src/net/framing.cc", 'if (head.minor == 0) return Refusal{400, "Transfer-Encoding in HTTP/1.0"};', REMOVED, f"{F}.Framing.test_http_1_0"),
    ("chunk-extension-lf", "src/net/chunked.cc", 'else if (!IsText(c)) return Fail("control byte in a chunk extension");', REMOVED,
     f"{F}.Framing.test_chunk_extensions_cost_nothing"),
    ("desync-known-answers", "src/net/framing.cc", 'if (length) return Refusal{400, "both Transfer-Encoding and Content-Length"};', REMOVED, f"{F}.Framing.test_two_lengths"),
    ("desync-known-answers", "src/net/framing.cc", 'if (headers.Count(name) > 1) return Refusal{400, "a header field stands twice that may stand once"};', "(void)name;",
     f"{F}.Framing.test_two_lengths"),
    ("slow-and-expect", "src/net/session.cc", "if (!any) budget = Budget::Fixed(context_.header_timeout);", REMOVED, f"{F}.Framing.test_many_slow_heads"),
    ("slow-and-expect", "src/net/framing.cc", 'return Refusal{417, "expectation not supported"};', "return std::nullopt;", f"{F}.Framing.test_expectations_and_sizes"),
    ("digest-grammar", "src/base/digest.cc", 'if (name == "sha256") algorithm', 'if (name == "sha256" || name == "SHA256") algorithm', f"{S}.Names.test_digests_in_addresses"),
    ("name-grammar", "src/storage/names.cc", "(text[begin] == '.' && length == 1);", "text[begin] == '.';", f"{S}.Names.test_names_that_mean_something_else"),
    ("endless-bodies", "src/http/registry/manifests.cc", "Bind(PutManifest, deps), limits::kManifestBytes,", "Bind(PutManifest, deps), limits::kGiB,",
     f"{S}.Endless.test_bodies_without_end"),
    ("import-content-lies", "src/remote/layout_index.cc", "if (crypto::HashWith(digest.algorithm(), AsBytes(bytes)) != digest)", "if (false)",
     f"{S}.Imports.test_layouts_that_lie"),
    ("manifest-and-index", "src/formats/oci.cc", "if (kind == DocumentKind::kManifest ? index_keys : manifest_keys)", "if (kind == DocumentKind::kManifest ? false && index_keys : manifest_keys)",
     f"{M}.Manifests.test_a_manifest_is_no_index"),
    ("media-type-mismatch", "src/formats/oci.cc", "if (!header.empty() && !inside.empty() && header != inside)", "if (false)", f"{M}.Manifests.test_header_and_field"),
    ("json-case-fold", "src/formats/oci.cc", "if (auto twin = CaseFoldedTwin(object, key))", "if (auto twin = CaseFoldedTwin(object, key); false && twin)",
     f"{M}.Manifests.test_keys_that_fold_to_others"),
    ("descriptor-lies", "src/storage/content_manifests.cc", "if (!edge.size || *edge.size == size) return {};", "if (!edge.size || *edge.size != size + (1u << 30)) return {};",
     f"{M}.Manifests.test_numbers"),
    ("gate-by-copy", "src/service/gate.cc", "standing.writes = false;", REMOVED, "registry_test.Registry.test_head_and_get_agree_and_bytes_are_guarded"),
]


def build():
    done = subprocess.run(["cmake", "--build", "--preset", "release", "--target", "bulwark"], cwd=ROOT, capture_output=True, text=True)
    return done.returncode == 0, (done.stdout + done.stderr)[-2000:]


def passes(test):
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "unittest", test], cwd=ROOT / "tests/e2e", capture_output=True, text=True,
                          env={**os.environ, "BULWARK": str(ROOT / "build/release/bulwark")})
    return done.returncode == 0


def noticed(file, old, new, test):
    """What came of it: "noticed" is the good answer."""
    path = ROOT / file
    text = path.read_text()
    path.write_text(text.replace(old, new))
    try:
        built, said = build()
        if not built:
            return "does not build: " + said
        return "NOT NOTICED" if passes(test) else "noticed"
    finally:
        path.write_text(text)


def main(arguments):
    moved = [(row, file) for row, file, old, _, _ in DEFENCES if (ROOT / file).read_text().count(old) != 1]
    for row, file in moved:
        print(f"{row}: its text does not stand once in {file}")
    if moved or arguments == ["--check"]:
        return 1 if moved else 0
    if subprocess.run(["git", "status", "--porcelain", "src"], cwd=ROOT, capture_output=True, text=True).stdout:
        print("src has changes; commit them first")
        return 2
    chosen = [d for d in DEFENCES if not arguments or d[0] in arguments]
    built, said = build()
    if not built:
        print(said)
        return 2
    results = []
    for test in sorted({d[4] for d in chosen}):
        if not passes(test):
            print(f"{test} fails although nothing was taken out")
            return 2
    for row, file, old, new, test in chosen:
        results.append(noticed(file, old, new, test))
        print(f"{row}: {file}: {test}: {results[-1]}", flush=True)
    build()
    print(f"measured: {results.count('noticed')} of {len(results)} defences taken out were noticed")
    return 0 if set(results) == {"noticed"} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
