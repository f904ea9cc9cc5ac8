// bulwark copy FROM TO: an image with all that belongs to it, between registries, layouts and archives.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/copy_logins.h"
#include "cli/copy_place.h"
#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "remote/copy.h"

namespace bulwark::cli {
namespace {

class Watcher final : public remote::CopyWatcher {
 public:
  Watcher() : progress_("copying") {}
  void Moved(std::uint64_t done, std::uint64_t total, std::string_view what) override { progress_.Update(done, total, what); }
  void Note(std::string_view sentence) override {
    progress_.Done();
    NoteLine(sentence);
  }
  void Done() { progress_.Done(); }

 private:
  Progress progress_;
};

// What the ends of all threads refer to; outlives them.
struct Opened {
  std::unique_ptr<remote::ImageFiles> files;
  bool docker_archive = false;
  std::vector<std::unique_ptr<Session>> sessions;
  remote::CopyEnds ends;
};

std::string ReferenceOf(const CopyPlace& from) { return from.image ? from.image->api_reference() : from.tag; }

Session& AddSession(Opened& opened, const remote::ImageReference& image, const Login& login, const std::optional<remote::Credentials>& credentials, bool first) {
  opened.sessions.push_back(NewSession(image, login, credentials));
  remote::Patience patience = kPatience;
  patience.answered_before = !first;  // the first one has shown that the registry is there
  opened.sessions.back()->client.SetPatience(patience);
  return *opened.sessions.back();
}

Status OpenFiles(Opened& opened, const CopyPlace& from) {
  struct stat info {};
  if (::stat(from.path.c_str(), &info) != 0) return ErrnoError("open " + from.path);
  if (S_ISDIR(info.st_mode)) {
    opened.files = remote::DirectoryFiles(from.path);
    return {};
  }
  UniqueFd fd(::open(from.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError("open " + from.path);
  auto files = remote::ArchiveFiles(std::move(fd));
  if (!files) return files.error().Wrap(from.path);
  opened.files = *std::move(files);
  // What docker saves since 25 is both; then it is taken as the layout, which has the real manifests.
  auto index = opened.files->Open("index.json");
  opened.docker_archive = !index && index.error().code == Errc::kNotFound;
  return {};
}

Status OpenSources(Opened& opened, const CopyPlace& from, const Login& login, std::size_t jobs) {
  auto& sources = opened.ends.sources;
  if (!from.image) {
    BW_CHECK(OpenFiles(opened, from));
    if (opened.docker_archive) {  // read once: its layers have to be hashed
      BW_TRY(auto only, remote::DockerArchiveSource(*opened.files));
      sources.push_back(std::move(only));
      return {};
    }
    for (std::size_t i = 0; i < jobs; ++i) sources.push_back(remote::LayoutSource(*opened.files));
    return {};
  }
  BW_TRY(auto credentials, CredentialsFor(from.image->host, login));
  for (std::size_t i = 0; i < jobs; ++i)
    sources.push_back(remote::RegistrySource(AddSession(opened, *from.image, login, credentials, i == 0).client, from.image->host));
  return {};
}

Status OpenTargets(Opened& opened, const CopyPlace& from, const CopyPlace& to, const Login& login) {
  auto& targets = opened.ends.targets;
  std::optional<remote::Credentials> credentials;
  if (to.image) {
    BW_TRY(credentials, CredentialsFor(to.image->host, login));
  }
  const bool mount = to.image && from.image && from.image->host == to.image->host && from.image->repository != to.image->repository;
  for (std::size_t i = 0; i < opened.ends.sources.size(); ++i) {
    if (!to.image) {
      targets.push_back(remote::LayoutTarget(to.path));
      continue;
    }
    auto& client = AddSession(opened, *to.image, login, credentials, i == 0).client;
    if (mount) client.SetMountSource(from.image->repository);
    targets.push_back(remote::RegistryTarget(client, mount));
  }
  return {};
}

// Tag that the image gets: the one that was written, else the name that the source has for it. Of a digest: none.
Result<std::string> TagFor(const CopyPlace& from, const CopyPlace& to, const Opened& opened, Watcher& watcher) {
  if (!to.tag.empty()) return to.tag;
  BW_TRY(std::string name, opened.ends.sources.front()->NameOf(ReferenceOf(from)));
  const std::string tag = to.image ? remote::TagOf(name) : name;
  if (tag.empty() && to.image) watcher.Note("no tag is written, because none was named: the image will be there under its digest");
  return tag;
}

void Say(const remote::CopyReport& report) {
  if (!ErrorIsTerminal()) return;
  NoteLine(std::to_string(report.moved) + " blobs copied (" + FormatBytes(report.bytes) + "), " + std::to_string(report.there) + " were there, " +
           std::to_string(report.mounted) + " mounted; " + std::to_string(report.manifests) + " manifests");
}

Status ReadPasswords(TransferArguments& a) {
  a.from_login.password_stdin = a.login.password_stdin;
  BW_CHECK(ReadLoginPassword(a.login));
  return ReadLoginPassword(a.from_login);
}

Status CopyImage(const TransferArguments& a, const CopyPlace& from, const CopyPlace& to, const CopyLogins& logins) {
  Opened opened;
  BW_CHECK(OpenSources(opened, from, logins.from, a.jobs));
  BW_CHECK(OpenTargets(opened, from, to, logins.to));
  Watcher watcher;
  BW_TRY(std::string tag, TagFor(from, to, opened, watcher));
  remote::CopyOptions options;
  options.referrers = !a.no_referrers;
  options.platforms = a.platforms;
  BW_TRY(auto report, remote::Copy(opened.ends, ReferenceOf(from), tag, options, watcher));
  watcher.Done();
  Say(report);
  std::string digests;
  for (const auto& digest : report.digests) digests += digest.str() + "\n";
  return WriteOutput("", digests);
}

}  // namespace

int RunCopy(TransferArguments a) {
  auto from = ParseCopySource(a.from);
  if (!from) return FailUsage(from.error());
  auto to = ParseCopyTarget(a.to);
  if (!to) return FailUsage(to.error());
  if (auto usage = LoginsFor(a, *from, *to); !usage) return FailUsage(usage.error());
  // From here on the command line is right: passwords are asked for, the target's first.
  auto status = ReadPasswords(a);
  if (!status) return Fail(status.error());
  status = CopyImage(a, *from, *to, *LoginsFor(a, *from, *to));
  return status ? kPass : FailAtRegistry(status.error());
}

}  // namespace bulwark::cli
