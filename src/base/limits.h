#pragma once
// Every limit on what comes from outside, in one place. Raising one that bounds analysis means raising kLimitsVersion,
// so that layers which hit the old limit are read again (DESIGN 2.8).

#include <chrono>
#include <cstdint>

namespace bulwark::limits {

inline constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;

// Part of the key of a layer record.
inline constexpr std::uint32_t kLimitsVersion = 1;

// Registry documents.
inline constexpr std::uint64_t kManifestBytes = 4 * kMiB;
inline constexpr std::uint64_t kConfigBytes = 8 * kMiB;         // image config blobs that are parsed
inline constexpr std::uint64_t kManifestDescriptors = 4096;     // layers or children of one document
inline constexpr std::uint64_t kStatementBytes = 16 * kMiB;     // in-toto statements that are parsed in the server
inline constexpr std::uint64_t kStatementsBytes = 64 * kMiB;    // of all statements that one judgement of an index parses
inline constexpr std::uint64_t kStatementCost = 64 * kKiB;      // what a smaller one counts against that
inline constexpr std::uint64_t kCachedManifests = 4096;         // served from memory
inline constexpr std::uint64_t kCachedManifestBytes = 8 << 20;  // of all of them
inline constexpr std::uint64_t kHeldOfRepository = 4;           // of those for one repository
inline constexpr std::uint64_t kHeldRequests = 16;              // that wait for a verdict at once; each holds a thread that serves requests
inline constexpr std::uint64_t kJsonDepth = 64;
inline constexpr std::uint64_t kApiBodyBytes = 1 * kMiB;
inline constexpr std::uint64_t kNameBytes = 255;                // repository name
inline constexpr std::uint64_t kTagBytes = 128;
inline constexpr std::uint64_t kPageMaximum = 1000;             // `n` of every paged route
inline constexpr std::uint64_t kTokenScopes = 64;
inline constexpr std::chrono::hours kExceptionLifetime{24 * 366};  // longest accepted risk

// HTTP.
inline constexpr std::uint64_t kHeaderBytes = 32 * kKiB;
inline constexpr std::uint64_t kHeaderFields = 100;
inline constexpr std::uint64_t kTargetBytes = 8 * kKiB;
inline constexpr std::uint64_t kChunkExtensionBytes = 4 * kKiB;
inline constexpr std::chrono::seconds kHeaderTimeout{10};
inline constexpr std::chrono::seconds kIdleTimeout{60};
inline constexpr std::uint64_t kMinimumBodyRate = 1 * kKiB;     // bytes a second, after a grace of kIdleTimeout

// Uploads.
inline constexpr std::uint64_t kUploadSessionsPerUser = 1000;
inline constexpr std::chrono::hours kUploadLifetime{24};
inline constexpr std::chrono::hours kBlobLease{24};             // HEAD hit, mount and finished upload renew it
inline constexpr std::chrono::seconds kCollectionAnswer{15};    // an administrator's collection answers after that; clients wait for a minute

// Analysis of one layer.
inline constexpr std::uint64_t kLayerBytes = 64 * kGiB;         // inflated
inline constexpr std::uint64_t kLayerEntries = 1'000'000;
inline constexpr std::uint64_t kLayerIndexBytes = 128 * kMiB;  // memory of one layer's index and of its zstd window together
inline constexpr std::uint64_t kLayerWorkingBytes = 176 * kMiB; // those and the file that is read whole; the rest of kWorkerMemory is archives, seek points and code
inline constexpr std::uint64_t kInflateRatio = 200;             // inflated / compressed, judged after kInflateGrace
inline constexpr std::uint64_t kInflateGrace = 1 * kGiB;
inline constexpr std::uint64_t kPathBytes = 4096;
inline constexpr std::uint64_t kCatalogedFileBytes = 128 * kMiB; // a file that a cataloguer gets whole; with kArchiveHeldBytes it fits kWorkerMemory
inline constexpr std::uint64_t kLayerFactsBytes = 64 * kMiB;    // encoded facts that a worker may return
inline constexpr std::uint64_t kPackagesPerLayer = 200'000;
inline constexpr std::uint64_t kZstdWindowLog = 27;             // 128 MiB
inline constexpr std::uint64_t kArchiveDepth = 8;               // jar in jar
inline constexpr std::uint64_t kArchiveEntries = 100'000;
inline constexpr std::uint64_t kArchiveBytes = 256 * kMiB;      // inflated from one archive file, all depths together
inline constexpr std::uint64_t kArchiveHeldBytes = 48 * kMiB;   // inflated bytes of one archive file that are in memory at once
inline constexpr std::uint64_t kArchiveEntryBytes = 4 * kMiB;   // a text member (pom.properties, MANIFEST.MF)
inline constexpr std::uint64_t kPackageFileBytes = 4 * kMiB;    // package.json, METADATA, os-release: one package's own description
inline constexpr std::uint64_t kGoModInfoBytes = 4 * kMiB;      // module list inside a Go program
inline constexpr std::uint64_t kStanzaFields = 4096;            // of one deb822 stanza or METADATA header
inline constexpr std::uint64_t kLockFileBytes = 16 * kMiB;      // JSON lock files; the parser needs about 6 times that
inline constexpr std::uint64_t kLockFileDepth = 64;             // dependencies within dependencies
inline constexpr std::uint64_t kLinkHops = 40;
inline constexpr std::uint64_t kSeekPointSpacing = 16 * kMiB;   // inflated bytes between seek points (more once there are kSeekPoints)
inline constexpr std::uint64_t kSeekPoints = 512;               // of one layer; 32 KiB each
inline constexpr std::uint64_t kTarSpecialBytes = 1 * kMiB;     // one pax header, long name or sparse map (as Go)
inline constexpr std::uint64_t kTarSparseEntries = 131'072;     // data regions of one sparse file
inline constexpr std::uint64_t kGzipNameBytes = 4 * kMiB;       // FNAME or FCOMMENT of a gzip member
inline constexpr std::uint64_t kLayerRecordBytes = 192 * kMiB;  // memory that decoding one layer record may fill
inline constexpr std::uint64_t kTreeNodes = 3'000'000;          // files and folders of a merged image
inline constexpr std::uint64_t kTreeSteps = 50'000'000;          // path components that building one tree may follow
inline constexpr std::uint64_t kAliasChecks = 2'000'000;        // names behind links that one merge looks at
inline constexpr std::uint64_t kUnreadFiles = 20'000;           // files that merge asks to be read once more
inline constexpr std::uint64_t kMergeGaps = 100;                // gaps that merge reports one by one

// Versions and advisories.
inline constexpr std::uint64_t kVersionBytes = 1024;            // longer text is no version
inline constexpr std::uint64_t kPurlBytes = 16 * kKiB;
inline constexpr std::uint64_t kPurlQualifiers = 100;
inline constexpr std::uint64_t kAdvisoryRecords = 5'000'000;    // of one advisory file
inline constexpr std::uint64_t kAdvisoryTextBytes = 4096;       // id, version, link
inline constexpr std::uint64_t kAdvisoryVersions = 50'000;      // single versions of one record
inline constexpr std::uint64_t kAdvisoryAliases = 1000;
inline constexpr std::uint64_t kFeedDocumentBytes = 256 * kMiB;  // one document or line of a feed; the Debian tracker's is about 70 MiB
inline constexpr std::uint64_t kFeedBytes = 16 * kGiB;          // one feed, unpacked
inline constexpr std::uint64_t kFeedArchiveBytes = 1 * kGiB;    // a zip archive, which is read whole
inline constexpr std::uint64_t kFeedArchiveEntries = 2'000'000; // of the same; the one of npm at OSV has more than 200,000
inline constexpr std::uint64_t kFeedMemory = 4 * kGiB;          // of the process that reads feeds and builds the file
inline constexpr std::chrono::seconds kFeedCpu{3600};           // of the same
inline constexpr std::uint64_t kAdvisoryFileBytes = 2 * kGiB;   // what it may answer

// Worker processes.
inline constexpr std::uint64_t kWorkerMemory = 256 * kMiB;      // resident; the address-space limit is kWorkerAddressSpace
inline constexpr std::uint64_t kWorkerAddressSpace = 1 * kGiB;
inline constexpr std::chrono::seconds kWorkerCpu{600};
inline constexpr std::chrono::seconds kWorkerStall{60};         // no progress although bytes are there
inline constexpr std::uint64_t kWorkerMessageBytes = kLayerFactsBytes + 1 * kMiB;  // one message, either way

// Log-in.
inline constexpr std::uint64_t kPasswordHashes = 2;             // at once, 19 MiB each
inline constexpr std::uint64_t kPasswordHashQueue = 16;         // more callers are told to come back; each holds a thread that serves requests
inline constexpr std::uint64_t kLockoutEntries = 100'000;       // (account, network) pairs remembered
inline constexpr std::uint64_t kCachedLogins = 10'000;          // also tokens and users
inline constexpr std::uint64_t kScopeBytes = 1024;              // one asked scope
inline constexpr std::chrono::minutes kTokenLifetime{10};
inline constexpr std::uint64_t kTokensPerUser = 1000;           // live at once; another one ends the oldest
inline constexpr std::chrono::seconds kLoginCache{60};          // a verified Basic credential
inline constexpr std::chrono::seconds kRightsLease{1};          // DESIGN 2.16
inline constexpr std::uint64_t kAuditFieldBytes = 2048;         // one text of an audit row; longer ones are cut

// Copies between registries, layouts and archives, on the command line.
inline constexpr std::uint64_t kCopyManifests = 10'000;         // of one copy: children, signatures, SBOMs
inline constexpr std::uint64_t kCopyManifestBytes = 64 * kMiB;  // of those together; they are in memory
inline constexpr std::uint64_t kCopyDescriptors = 100'000;      // children, layers and listed referrers of one copy together
inline constexpr std::uint64_t kCopyDepth = 16;                 // children of children, referrers of referrers
inline constexpr std::uint64_t kReferrerPages = 100;            // of one list
inline constexpr std::uint64_t kResumeProgress = 1 * kMiB;      // bytes that make a cut connection count as a new one
inline constexpr std::uint64_t kLoginFileBytes = 1 * kMiB;      // config.json, auth.json, and what a credential helper says
inline constexpr std::chrono::seconds kLayoutLock{30};          // to wait for another copy into the same layout

}  // namespace bulwark::limits
