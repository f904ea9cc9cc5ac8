"""What was tried on registries like this one, by section: id -> the tests that try it here, and where the defence is that they would miss.

A test is "file Class.test" (Python and gtest), or "file # comment" (scripts). NOT_YET are rows, or halves of rows, about what does not exist here yet."""

T, F, S, M = "attacks_tenancy_test.py", "attacks_framing_test.py", "attacks_storage_test.py", "attacks_manifests_test.py"
R, OCI, FRAMING, SERVER = "registry_test.py", "src/formats/oci_test.cc", "src/net/framing_test.cc", "src/net/http_server_test.cc"
AUTH, GATE, SCOPE = "src/auth/authenticator_test.cc", "src/service/gate_test.cc", "src/auth/scope_test.cc"

ROWS = {
    "tenancy": {
        "upload-session-foreign": (
            [
                f"{T} Uploads.test_sessions_of_others",
                f"{R} Registry.test_upload_sessions_of_others",
                "src/storage/uploads_test.cc UploadsTest.SessionIsFoundOnlyByItsOwnerInItsRepository",
                "tests/http/uploads.script # upload-session-foreign",
            ],
            "src/storage/uploads.cc FindUpload",
        ),
        "upload-offset-forgery": (
            [
                f"{T} Uploads.test_offsets_are_the_servers",
                f"{T} Uploads.test_every_character_of_the_location",
                f"{T} Uploads.test_parallel_chunks_do_not_mix",
                f"{R} Registry.test_parallel_chunks",
                "tests/http/uploads.script # out of order",
                "src/http/script_test.cc Uploads.AreExclusive",
            ],
            "src/service/uploads.cc Uploads::Take",
        ),
        "delete-guards": (
            [
                f"{T} Rights.test_delete_is_not_push",
                "tests/http/token.script # a token narrows",
                "src/service/registry_test.cc RegistryTest.DeletesNeedTheirOwnRight",
            ],
            "src/http/access.cc CheckAccess",
        ),
        "create-only-overwrites-latest": ([], "no role creates without also replacing"),
        "catalog-anonymous": (
            [
                f"{T} Rights.test_catalog_for_strangers",
                f"{R} Registry.test_catalog_for_strangers",
                "tests/http/challenges.script # Who is not known",
                "src/http/script_test.cc Routes.AreClosedToStrangers",
                f"{FRAMING} Path.HasOneSpelling",
            ],
            "src/http/router.cc Router::State::Dispatch",
        ),
        "list-n-huge": (
            [f"{T} Rights.test_page_sizes_everywhere", f"{R} Registry.test_page_sizes", "tests/http/manifests.script # list-n-huge"],
            "src/http/registry/parse.cc ParsePage",
        ),
        "search-and-cursor-leak": (
            [
                f"{T} Rights.test_nothing_tells_of_others",
                f"{R} Registry.test_other_tenants_do_not_exist",
                "src/service/registry_test.cc RegistryTest.StrangersLearnNothing",
            ],
            "src/service/rights.cc Rights::Require",
        ),
        "referrers-of-private": (
            [f"{T} Rights.test_referrers_stay_in_their_repository", "src/service/registry_test.cc RegistryTest.ReferrersStayInTheirRepository"],
            "src/storage/content_manifests.cc Referrers(const ReadTx& tx, RepositoryId repository",
        ),
        "mass-assignment-admin": ([f"{T} Rights.test_extra_keys_give_nothing"], "src/http/api/json_body.cc ParseBody"),
        "service-account-wider": (
            [
                f"{T} Life.test_tokens_hold_no_more_than_their_owner",
                f"{T} Life.test_rights_end_everywhere_at_once",
                f"{AUTH} AuthenticatorTest.TokensHoldTheIntersection",
            ],
            "src/auth/authenticator.cc Allowed",
        ),
        "scope-glob-confusion": (
            [
                f"{T} Rights.test_globs_match_whole_components",
                f"{R} Registry.test_globs",
                f"{SCOPE} Scope.GlobsMatchWholeComponents",
                f"{SCOPE} Scope.RefusesGlobsThatSayMoreThanTheyShow",
            ],
            "src/auth/scope.cc Glob",
        ),
        "group-removal-sticks": ([], "no groups"),
        "revoked-but-live": (
            [
                f"{T} Life.test_rights_end_everywhere_at_once",
                f"{R} Registry.test_disabled_accounts_lose_their_tokens",
                f"{AUTH} AuthenticatorTest.RightsEndWithinTheLease",
                f"{AUTH} AuthenticatorTest.TokensFollowTheirOwner",
                f"{AUTH} AuthenticatorTest.PasswordChangesEndCachedLogIns",
            ],
            "src/auth/authenticator.cc kRightsLease",
        ),
        "recycled-names": (
            [
                f"{T} Life.test_names_used_again_inherit_nothing",
                f"{R} Registry.test_names_used_again_inherit_nothing",
                f"{AUTH} AuthenticatorTest.ANameGivenAgainInheritsNothing",
            ],
            "src/service/projects.cc Projects::Delete",
        ),
        "deleted-blob-returns": (
            [
                f"{T} Life.test_a_deleted_blob_stays_deleted",
                f"{R} Registry.test_deleted_blobs_and_rights_to_delete",
                "src/storage/content_test.cc ContentTest.UnlinkBlob",
            ],
            "src/storage/content_blobs.cc UnlinkBlob",
        ),
        "sql-through-filters": (
            [f"{T} Life.test_text_is_never_a_query", "src/auth/directory_test.cc DirectoryTest.TextIsNeverSql"],
            "src/storage/db/sqlite_connection.cc sqlite3_bind_text64",
        ),
    },
    "framing": {
        "te-other-plus-cl": (
            [f"{F} Framing.test_two_lengths", f"{F} Framing.test_heads_of_the_table", f"{FRAMING} Framing.AnswersTheTable"],
            "src/net/framing.cc both Transfer-Encoding and Content-Length",
        ),
        "http10-chunked": (
            [f"{F} Framing.test_http_1_0", f"{F} Framing.test_heads_of_the_table", f"{SERVER} HttpServer.EndsHttp10AfterOneAnswer"],
            "src/net/framing.cc Transfer-Encoding in HTTP/1.0",
        ),
        "chunk-extension-lf": (
            [
                f"{F} Framing.test_chunk_extensions_cost_nothing",
                f"{F} Framing.test_bodies_by_chunks",
                f"{FRAMING} Chunked.AnswersTheTableHoweverItIsCut",
                f"{FRAMING} Chunked.LimitsExtensionsOverTheWholeBody",
            ],
            "src/net/chunked.cc kChunkExtensionBytes",
        ),
        "trailer-smuggling": ([f"{F} Framing.test_trailers_are_dropped", f"{SERVER} HttpServer.DropsTrailers"], "src/net/chunked.cc Trailer(c)"),
        "desync-known-answers": (
            [
                f"{F} Framing.test_heads_of_the_table",
                f"{F} Framing.test_two_lengths",
                f"{F} Framing.test_odd_names_and_values",
                f"{F} Framing.test_bodies_by_chunks",
                f"{F} Framing.test_a_head_in_pieces_is_the_same_head",
                f"{F} Framing.test_the_canary_sings",
                f"{F} Framing.test_mutated_requests",
                f"{SERVER} HttpServer.NeverRunsWhatStandsBehindARefusedHead",
                f"{SERVER} HttpServer.NeverRunsWhatStandsBehindBrokenChunks",
            ],
            "src/net/framing.cc ParseRequestHead",
        ),
        "slow-and-expect": (
            [
                f"{F} Framing.test_many_slow_heads",
                f"{F} Framing.test_expectations_and_sizes",
                f"{F} Framing.test_a_body_that_trickles_is_ended",
                f"{SERVER} HttpServer.EndsSlowClients",
                f"{SERVER} HttpServer.MakesRoomByEndingWhoOnlyWaits",
                f"{SERVER} HttpServer.SaysContinueOnlyWhenTheHandlerReads",
            ],
            "src/net/session.cc Budget::Fixed(context_.header_timeout)",
        ),
    },
    "storage": {
        "digest-grammar": (
            [
                f"{S} Names.test_digests_in_addresses",
                f"{S} Names.test_digests_in_manifests",
                f"{OCI} Oci.DigestsFollowTheGrammar",
                "src/base/base_test.cc Digest.ParsesOnlyTheCanonicalForm",
                "tests/http/uploads.script # digest-grammar",
            ],
            "src/base/digest.cc Digest::Parse",
        ),
        "name-grammar": (
            [
                f"{S} Names.test_names_that_mean_something_else",
                "src/storage/names_test.cc RepoNameTest.Grammar",
                "src/storage/names_test.cc TagNameTest.Grammar",
                "tests/http/rights.script # name-grammar",
                "src/http/registry/parse_test.cc Pattern.GivesTheNameWhatIsLeft",
            ],
            "src/storage/names.cc RepoName::Parse",
        ),
        "endless-bodies": (
            [
                f"{S} Endless.test_bodies_without_end",
                f"{S} Endless.test_fifty_large_manifests_at_once",
                f"{S} Endless.test_blobs_have_a_largest_size",
                f"{S} Endless.test_sessions_left_open",
                "src/storage/uploads_test.cc UploadsTest.SessionsOfAUserAreCapped",
                "src/storage/uploads_test.cc UploadsTest.SessionExpiresUnlessRenewed",
                "src/service/registry_test.cc RegistryTest.BlobsHaveALargestSize",
            ],
            "src/http/router.cc ReadWholeBody",
        ),
        "gc-against-push": (
            [
                f"{S} Races.test_one_pushes_and_another_deletes",
                "src/storage/collector_test.cc CollectorTest.RaceAgainstPushes",
                "src/storage/collector_test.cc CollectorTest.ReservationHoldsABlobAndIsLookedAtAgain",
                "kill9_test.py Kill9.test_kills",
            ],
            "src/storage/collector.cc JudgeLoose",
        ),
        "tag-race-and-immutability": (
            [f"{S} Races.test_a_tag_has_one_winner", f"{S} Races.test_the_verdict_is_that_of_the_digest_sent"],
            "src/http/registry/manifests.cc service::Reference(manifest->digest)",
        ),
        "import-content-lies": (
            [
                f"{S} Imports.test_layouts_that_lie",
                f"{S} Imports.test_a_layout_whose_index_gives_another_size",
                f"{S} Imports.test_uploads_that_lie",
                "scan_test.py BadInput.test_targets",
            ],
            "src/remote/local_image.cc HashWith",
        ),
        "backup-tampering": ([], "no backup"),
    },
    "manifests": {
        "manifest-and-index": (
            [
                f"{M} Manifests.test_a_manifest_is_no_index",
                f"{R} Registry.test_ambiguous_manifests",
                f"{OCI} Oci.AmbiguousDocumentsAreRefused",
                f"{OCI} Oci.Schema1IsUnsupported",
            ],
            "src/formats/oci.cc ParseOciDocument",
        ),
        "media-type-mismatch": ([f"{M} Manifests.test_header_and_field", f"{OCI} Oci.HeaderAndFieldDecideTogether"], "src/formats/oci.cc but mediaType"),
        "json-case-fold": (
            [f"{M} Manifests.test_keys_that_fold_to_others", f"{M} Manifests.test_configs_that_lie", f"{OCI} Oci.KeysThatFoldToKnownOnesAreRefused"],
            "src/formats/oci.cc CaseFoldedTwin(object, key)",
        ),
        "json-numbers": ([f"{M} Manifests.test_numbers", f"{OCI} Oci.SizesArePlainIntegers"], 'src/formats/oci.cc JsonUint(*object, "size")'),
        "descriptor-lies": (
            [
                f"{M} Manifests.test_layers_are_what_they_contain",
                f"{M} Manifests.test_configs_that_lie",
                f"{M} Manifests.test_platforms_that_lie",
                f"{M} Manifests.test_sizes_of_children_fit",
                f"{M} Manifests.test_numbers",
                f"{GATE} GateTest.LyingConfigsLeaveGaps",
                "src/storage/content_test.cc ContentTest.DescriptorSizeMustFit",
            ],
            "src/storage/content_manifests.cc CheckSize",
        ),
        "gate-by-copy": (
            [
                f"{M} Manifests.test_a_denied_image_is_not_carried_elsewhere",
                f"{M} Manifests.test_an_open_door_beside_does_not_open_this_one",
                f"{R} Registry.test_head_and_get_agree_and_bytes_are_guarded",
                f"{GATE} GateTest.DeniedBytesAreNotMounted",
                f"{GATE} GateTest.WhatIsNoImageOpensNoDeniedBytes",
            ],
            "src/service/gate.cc Gate::JudgeBytes",
        ),
    },
}

# id -> the feature that it waits for. A row may stand in both: what can be tried today is.
NOT_YET = {
    "create-only-overwrites-latest": "roles of one's own making; of the built-in ones each that creates also replaces",
    "group-removal-sticks": "groups of an identity provider (OIDC, LDAP)",
    "service-account-wider": "API keys; what is tried today are tokens",
    "revoked-but-live": "API keys and sessions of the user interface; a second replica",
    "recycled-names": "webhooks, keys, signature policies; what is tried today are users, grants, tokens, uploads, exceptions",
    "delete-guards": "a switch that forbids deleting, retention jobs",
    "deleted-blob-returns": "a second replica",
    "sql-through-filters": "PostgreSQL; search of repositories",
    "endless-bodies": "quotas of tags",
    "tag-race-and-immutability": "immutable tags, retention, replication",
    "gate-by-copy": "copying by the API; credentials of clusters (admission)",
    "backup-tampering": "backup and restore",
}
