#include "cli/arguments.h"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/digest.h"
#include "base/strings.h"
#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "policy/policy.h"

namespace bulwark::cli {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done and nothing refused; 1 policy said no; 2 the command line is wrong; 3 it could not be done\n"
    "(a file that is missing or damaged, a registry that does not answer).";

// Values that cannot be understood are wrong usage: found here, before anything is opened or sent.
template <typename Parse>
void MustParse(CLI::Option* option, Parse parse) {
  option->check([parse](const std::string& text) -> std::string {
    auto parsed = parse(text);
    return parsed ? std::string() : parsed.error().message;
  }, "", "");
}

Status CheckExpiry(const std::string& text) {
  if (ParseDuration(text) || ParseTime(text)) return {};
  return {Errc::kInvalid, "'" + text + "' is no time, date, or duration such as 30d"};
}

// A name is part of a path in requests: what is no user name never gets there.
Status CheckUserName(const std::string& name) {
  auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'; };
  if (!name.empty() && std::all_of(name.begin(), name.end(), fits)) return {};
  return {Errc::kInvalid, "'" + name + "' is no user name; those are of a-z, 0-9, '.', '_', '-'"};
}

void Examples(CLI::App* app, const std::string& lines) { app->footer("Examples:\n" + lines + "\n" + kExitCodes); }

// The values that CLI11 writes into while it parses; one per verb that shares nothing with the others.
struct Values {
  ServeArguments serve;
  ScanArguments scan, sbom;
  DbArguments db;
  PolicyArguments policy;
  ExceptionArguments exception;
  CopyArguments push, pull;
  TransferArguments copy;
  LoginArguments login, logout;
  WhyArguments why;
  UserArguments user;
  GcArguments gc;
  VersionArguments version;
  PurlArguments purl;
  Command chosen;
};

template <typename T>
void Choose(CLI::App* app, Values& values, const std::string& verb, T Values::*field) {
  app->callback([&values, verb, field] { values.chosen = {verb, values.*field}; });
}

void AddConnection(CLI::App* app, Login& login, const std::string& prefix, const std::string& whose) {
  app->add_flag("--" + prefix + "plain-http", login.plain_http, "Talk HTTP without TLS" + whose + ", log-ins included (loopback addresses always do)");
  app->add_option("--" + prefix + "ca-file", login.ca_file, "Trust this certificate authority as well" + whose + " (PEM)");
  MustParse(app->add_option("--" + prefix + "token-host", login.token_host, "Host of the token service" + whose + ", if it is another one than the registry's: it may get the password too"), ParseRegistryHost);
}

void AddLogin(CLI::App* app, Login& login) {
  MustParse(app->add_option("--username,-u", login.username, "Log in as this user (else: Docker's and podman's stored log-ins)"), remote::CheckUserName);
  app->add_flag("--password-stdin", login.password_stdin, "Read the password from standard input")->needs("--username");
  AddConnection(app, login, "", "");
}

// "linux/amd64" or "linux/arm64/v8".
Status CheckPlatform(const std::string& text) {
  const auto parts = Split(text, '/');
  const bool fits = (parts.size() == 2 || parts.size() == 3) && std::none_of(parts.begin(), parts.end(), [](auto part) { return part.empty(); });
  return fits ? Status() : Status(Errc::kInvalid, "'" + text + "' is no platform; write it as in linux/amd64");
}

void AddFormat(CLI::App* app, std::string& format, const std::vector<std::string>& choices, const std::string& in_a_pipe = "json") {
  app->add_option("--format,-f", format, "Output format (default: table on a terminal, " + in_a_pipe + " in a pipe)")->check(CLI::IsMember(choices));
}

void AddServe(CLI::App& root, Values& v) {
  auto* app = root.add_subcommand("serve", "Run the registry");
  app->add_option("--listen", v.serve.listen, "Address and port (default 127.0.0.1:5000)");
  app->add_option("--data", v.serve.data, "Data directory (default bulwark-data)");
  app->add_option("--config", v.serve.config, "bulwark.yaml; not needed");
  app->add_option("--db", v.serve.database, "Advisory file (default: advisories.bwa in the data directory, else the starter data)");
  app->add_option("--tls-cert", v.serve.tls_certificate, "TLS certificate chain (PEM)");
  app->add_option("--tls-key", v.serve.tls_key, "TLS private key (PEM)");
  app->add_option("--external-url", v.serve.external_url, "The address under which clients reach it, such as https://registry.example.com");
  Examples(app, "  bulwark serve                                          for this machine alone; the first password is printed\n"
                "  bulwark serve --listen 0.0.0.0:5000 --data /var/lib/bulwark --tls-cert c.pem --tls-key k.pem\n");
  Choose(app, v, "serve", &Values::serve);
}

void AddScanOptions(CLI::App* app, ScanArguments& a) {
  app->add_option("target", a.target, "Registry reference, OCI layout, docker or OCI archive, '-' (archive on stdin), directory, or single binary")->required();
  app->add_option("--output,-o", a.output, "Write to this file instead of standard output");
  app->add_option("--platform", a.platform, "Platform to take from a multi-platform image, such as linux/arm64");
  app->add_flag("--no-sandbox", a.no_sandbox, "Read the layers without seccomp (only where the kernel lacks it)");
  AddLogin(app, a.login);
}

void AddScan(CLI::App& root, Values& v) {
  auto* scan = root.add_subcommand("scan", "Find known vulnerabilities in an image");
  AddScanOptions(scan, v.scan);
  AddFormat(scan, v.scan.format, {"table", "json", "cyclonedx"});
  scan->add_option("--db", v.scan.database, "Advisory file (default: the starter data in this binary)");
  scan->add_flag("--offline", v.scan.offline, "Open no connection; a registry reference is refused");
  MustParse(scan->add_option("--fail-on", v.scan.fail_on, "Exit with 1 if a finding matches, such as severity=high,fix=available (may repeat)")
                ->allow_extra_args(false), policy::ParseMatchers);
  scan->add_option("--policy", v.scan.policy, "Judge by this policy file (default: the built-in policy)");
  MustParse(scan->add_option("--as-of", v.scan.as_of, "Judge at this time (default: the advisory data's own date)"), ParseTime);
  Examples(scan, "  bulwark scan ./layout                                  an OCI layout\n"
                 "  docker save app:1.2 | bulwark scan -                   an archive from a pipe\n"
                 "  bulwark scan registry.example.com/team/app:1.2 --fail-on severity=high,fix=available\n");
  Choose(scan, v, "scan", &Values::scan);
  auto* sbom = root.add_subcommand("sbom", "List the packages of an image");
  AddScanOptions(sbom, v.sbom);
  AddFormat(sbom, v.sbom.format, {"table", "json", "cyclonedx"}, "cyclonedx");
  Examples(sbom, "  bulwark sbom app.tar --format cyclonedx -o app.cdx.json\n");
  Choose(sbom, v, "sbom", &Values::sbom);
}

void AddDb(CLI::App& root, Values& v) {
  auto* db = root.add_subcommand("db", "Build and inspect advisory files")->require_subcommand(1);
  auto* build = db->add_subcommand("build", "Build an advisory file from sources");
  build->add_option("--out,-o", v.db.out, "File to write")->required();
  build->add_option("sources", v.db.sources, "Files or directories: OSV, Debian facts, the Debian tracker's JSON, Alpine secdb, KEV, EPSS; 'starter' for the built-in set")->required();
  build->add_flag("--force", v.db.force, "Accept a source with many errors or far fewer records than before");
  build->add_option("--whole", v.db.whole, "Of these ecosystems the sources are all that is known, as a full dump is: a package without a record counts as safe")
      ->delimiter(',')->allow_extra_args(false)->type_name("ECOSYSTEM,...");
  Examples(build, "  bulwark db build --out advisories.bwa starter extra/                   some records: reports say so\n"
                  "  bulwark db build --out advisories.bwa --whole npm,PyPI osv/npm osv/PyPI known_exploited_vulnerabilities.json\n");
  build->callback([&v] { v.db.verb = DbArguments::Verb::kBuild; v.chosen = {"db", v.db}; });
  auto* update = db->add_subcommand("update", "Fetch newer advisories from their sources and build the advisory file of them");
  auto* sources = update->add_option("sources", v.db.sources, "Known sources: osv/ECOSYSTEM, alpine/RELEASE/REPOSITORY, debian, kev, epss; all that the file shall hold");
  update->add_option("--config", v.db.config, "bulwark.yaml with advisories.sources, instead of names")->excludes(sources);
  update->add_option("--data", v.db.data, "Data directory; downloads are kept in it (default bulwark-data, or as configured)");
  update->add_option("--out,-o", v.db.out, "File to write (default: advisories.bwa in the data directory, or as configured)");
  update->add_flag("--force", v.db.force, "Accept a source that shrank or is older, or that is no longer among the sources");
  Examples(update, "  bulwark db update --config /etc/bulwark/bulwark.yaml\n"
                   "  bulwark db update --data /var/lib/bulwark osv/npm osv/PyPI osv/Go debian kev epss\n");
  update->callback([&v] { v.db.verb = DbArguments::Verb::kUpdate; v.chosen = {"db", v.db}; });
  auto* status = db->add_subcommand("status", "Show what an advisory file holds and how old it is");
  status->add_option("--db", v.db.database, "Advisory file (default: the starter data in this binary)");
  AddFormat(status, v.db.format, {"table", "json"});
  status->callback([&v] { v.db.verb = DbArguments::Verb::kStatus; v.chosen = {"db", v.db}; });
}

void AddPolicy(CLI::App& root, Values& v) {
  using Verb = PolicyArguments::Verb;
  auto* policy = root.add_subcommand("policy", "Test and manage policies")->require_subcommand(1);
  auto sub = [&](const char* name, const char* help, Verb verb) {
    auto* app = policy->add_subcommand(name, help);
    app->callback([&v, verb] { v.policy.verb = verb; v.chosen = {"policy", v.policy}; });
    return app;
  };
  auto* test = sub("test", "Check a policy file against cases", Verb::kTest);
  test->add_option("file", v.policy.file, "Policy (YAML)")->required();
  test->add_option("cases", v.policy.cases, "Case files");
  sub("default", "Print the built-in policy", Verb::kDefault);
  auto registry = [&](CLI::App* app) {
    MustParse(app->add_option("registry", v.policy.registry, "Host of a Bulwark registry, such as localhost:5000")->required(), ParseRegistryHost);
    AddLogin(app, v.policy.login);
  };
  auto* list = sub("list", "List the policies of a registry", Verb::kList);
  registry(list);
  AddFormat(list, v.policy.format, {"table", "json"});
  auto* apply = sub("apply", "Put a policy in force on a registry", Verb::kApply);
  registry(apply);
  apply->add_option("file", v.policy.file, "Policy (YAML)")->required();
  auto* remove = sub("remove", "Remove a policy from a registry", Verb::kRemove);
  registry(remove);
  remove->add_option("name", v.policy.name, "Its name")->required();
}

void AddException(CLI::App& root, Values& v) {
  using Verb = ExceptionArguments::Verb;
  auto* exception = root.add_subcommand("exception", "Accept a risk for a time")->require_subcommand(1);
  auto sub = [&](const char* name, const char* help, Verb verb) {
    auto* app = exception->add_subcommand(name, help);
    MustParse(app->add_option("registry", v.exception.registry, "Host of a Bulwark registry, such as localhost:5000")->required(), ParseRegistryHost);
    AddLogin(app, v.exception.login);
    app->callback([&v, verb] { v.exception.verb = verb; v.chosen = {"exception", v.exception}; });
    return app;
  };
  auto* add = sub("add", "Ask for an exception; another person approves it", Verb::kAdd);
  add->add_option("--cve", v.exception.vulnerability, "CVE or other id")->required();
  add->add_option("--package", v.exception.package, "Package or source package; * for all");
  add->add_option("--repository", v.exception.repository, "Glob of repositories")->required();
  add->add_option("--reference", v.exception.reference, "Tag or digest; * for all");
  add->add_option("--reason", v.exception.reason, "VEX justification or risk_accepted")->required();
  add->add_option("--note", v.exception.note, "Why, in words")->required();
  MustParse(add->add_option("--expires", v.exception.expires, "Time, date, or duration such as 30d")->required(), CheckExpiry);
  Examples(add, "  bulwark exception add localhost:5000 --cve CVE-2024-3094 --repository 'team/**' --reason vulnerable_code_not_present --note 'sshd is not started' --expires 30d\n");
  for (auto [name, help, verb] : {std::tuple{"approve", "Approve an exception of somebody else", Verb::kApprove}, std::tuple{"revoke", "End an exception", Verb::kRevoke}})
    sub(name, help, verb)->add_option("id", v.exception.id, "Its number")->required();
  AddFormat(sub("list", "List exceptions", Verb::kList), v.exception.format, {"table", "json"});
}

void AddCopies(CLI::App& root, Values& v) {
  auto* push = root.add_subcommand("push", "Push an image from a layout or archive to a registry");
  push->add_option("source", v.push.from, "OCI layout directory or OCI archive")->required();
  MustParse(push->add_option("image", v.push.to, "Registry reference")->required(), remote::ParseImageReference);
  AddLogin(push, v.push.login);
  Choose(push, v, "push", &Values::push);
  auto* pull = root.add_subcommand("pull", "Pull an image from a registry into an OCI layout");
  MustParse(pull->add_option("image", v.pull.from, "Registry reference")->required(), remote::ParseImageReference);
  pull->add_option("layout", v.pull.to, "OCI layout directory to write")->required();
  AddLogin(pull, v.pull.login);
  Choose(pull, v, "pull", &Values::pull);
  auto* copy = root.add_subcommand("copy", "Copy an image with all that belongs to it, between registries, layouts and archives");
  copy->add_option("from", v.copy.from, "Registry reference, OCI layout, OCI or docker archive; oci:PATH[:TAG] and docker://IMAGE say which")->required();
  copy->add_option("to", v.copy.to, "Registry reference, or OCI layout as ./PATH[:TAG] or oci:PATH[:TAG]; without a tag it gets the source's")->required();
  MustParse(copy->add_option("--platform", v.copy.platforms, "Of a multi-platform image only these, such as linux/amd64,linux/arm64")
                ->delimiter(',')->allow_extra_args(false)->type_name("PLATFORM,..."), CheckPlatform);
  copy->add_flag("--no-referrers", v.copy.no_referrers, "Leave signatures, SBOMs and attestations behind");
  copy->add_option("--jobs,-j", v.copy.jobs, "Blobs at once (default 4)")->check(CLI::Range(1, 32));
  MustParse(copy->add_option("--username,-u", v.copy.login.username, "Log in to the target, or to the only registry there is, as this user (else: Docker's and podman's stored log-ins)"), remote::CheckUserName);
  MustParse(copy->add_option("--from-username", v.copy.from_login.username, "Log in to the source as this user"), remote::CheckUserName);
  copy->add_flag("--password-stdin", v.copy.login.password_stdin, "Read passwords from standard input, a line each: of --username, then of --from-username");
  AddConnection(copy, v.copy.login, "", " at the target, or the only registry there is");
  AddConnection(copy, v.copy.from_login, "from-", " at the source");
  Examples(copy, "  bulwark copy docker.io/library/debian:12 registry.example.com/base/debian:12\n"
                 "  bulwark copy registry.example.com/team/app:1.2 ./app            into an OCI layout\n"
                 "  bulwark copy ./app registry.example.com/other/app:1.2 --platform linux/amd64\n");
  Choose(copy, v, "copy", &Values::copy);
  auto* why = root.add_subcommand("why", "Say what a registry decided about an image, and on what grounds");
  MustParse(why->add_option("image", v.why.image, "Registry reference")->required(), remote::ParseImageReference);
  AddFormat(why, v.why.format, {"table", "json"});
  AddLogin(why, v.why.login);
  Choose(why, v, "why", &Values::why);
}

void AddLogins(CLI::App& root, Values& v) {
  auto* login = root.add_subcommand("login", "Log in to a registry and keep the log-in as docker does");
  MustParse(login->add_option("registry", v.login.registry, "Its host, such as registry.example.com")->required(), ParseRegistryHost);
  AddLogin(login, v.login.login);
  Examples(login, "  bulwark login registry.example.com -u alice                     asks for the password\n"
                  "  bulwark login registry.example.com -u robot --password-stdin < secret\n");
  Choose(login, v, "login", &Values::login);
  auto* logout = root.add_subcommand("logout", "Forget the log-in to a registry");
  MustParse(logout->add_option("registry", v.logout.registry, "Its host")->required(), ParseRegistryHost);
  Choose(logout, v, "logout", &Values::logout);
}

void AddUser(CLI::App& root, Values& v) {
  using Verb = UserArguments::Verb;
  auto* user = root.add_subcommand("user", "Manage users")->require_subcommand(1);
  auto sub = [&](const char* name, const char* help, Verb verb) {
    auto* app = user->add_subcommand(name, help);
    app->callback([&v, verb] { v.user.verb = verb; v.chosen = {"user", v.user}; });
    if (verb == Verb::kResetAdmin) return app;
    MustParse(app->add_option("registry", v.user.registry, "Host of a Bulwark registry, such as localhost:5000")->required(), ParseRegistryHost);
    if (verb != Verb::kList) MustParse(app->add_option("name", v.user.name, "User name")->required(), CheckUserName);
    AddLogin(app, v.user.login);
    return app;
  };
  auto* create = sub("create", "Create a user; its password is read from the terminal or the next line of standard input", Verb::kCreate);
  create->add_option("--kind", v.user.kind, "user, service or cluster")->check(CLI::IsMember({"user", "service", "cluster"}));
  auto* role = create->add_option("--role", v.user.role, "Role to give at once");
  auto* repositories = create->add_option("--repositories", v.user.repositories, "Where the role holds (glob)");
  role->needs(repositories);
  repositories->needs(role);
  AddFormat(sub("list", "List users", Verb::kList), v.user.format, {"table", "json"});
  auto* password = sub("password", "Set a password: the own one, or somebody's, who must then change it", Verb::kPassword);
  Examples(password, "  bulwark user password localhost:5000 alice --username alice    asks for the old one, then for the new one\n");
  sub("disable", "Disable a user; its tokens die at once", Verb::kDisable);
  auto* grant = sub("grant", "Give a role", Verb::kGrant);
  grant->add_option("--role", v.user.role, "admin, auditor, security, maintainer, developer or puller")->required();
  grant->add_option("--repositories", v.user.repositories, "Glob of repositories")->required();
  sub("reset-admin", "Set a new password for the administrator; the registry must be stopped", Verb::kResetAdmin)
      ->add_option("--data", v.user.data, "Data directory")->required();
}

void AddGc(CLI::App& root, Values& v) {
  using Verb = GcArguments::Verb;
  auto* gc = root.add_subcommand("gc", "Remove what nothing refers to any more, and ask why something is kept")->require_subcommand(1);
  auto sub = [&](const char* name, const char* help, Verb verb) {
    auto* app = gc->add_subcommand(name, help);
    MustParse(app->add_option("registry", v.gc.registry, "Host of a Bulwark registry, such as localhost:5000")->required(), ParseRegistryHost);
    AddLogin(app, v.gc.login);
    AddFormat(app, v.gc.format, {"table", "json"});
    app->callback([&v, verb] { v.gc.verb = verb; v.chosen = {"gc", v.gc}; });
    return app;
  };
  auto* run = sub("run", "Run a collection now; the registry runs one every minute by itself", Verb::kRun);
  run->add_flag("--dry-run", v.gc.dry_run, "Only say what it would remove, and what waits until when");
  Examples(run, "  bulwark gc run localhost:5000 --dry-run\n");
  auto* why = sub("why", "Say what keeps a blob or manifest", Verb::kWhy);
  MustParse(why->add_option("digest", v.gc.digest, "Its digest, sha256:...")->required(), [](const std::string& text) { return Digest::Parse(text); });
}

void AddSmall(CLI::App& root, Values& v) {
  auto* version = root.add_subcommand("version", "Show the version of this program, or compare package versions");
  AddFormat(version, v.version.format, {"table", "json"});
  version->callback([&v, version] { if (version->get_subcommands().empty()) v.chosen = {"version", v.version}; });
  auto* compare = version->add_subcommand("compare", "Compare two versions: prints <, =, > or ? with a reason");
  Examples(compare, "  bulwark version compare deb 1.0~rc1-1 1.0-1            prints <\n"
                    "  printf '1.0 2.0\\n' | bulwark version compare npm --stdin\n");
  compare->add_option("ecosystem", v.version.ecosystem, "deb, npm, pypi, go, maven")->required();
  compare->add_option("a", v.version.a, "First version");
  compare->add_option("b", v.version.b, "Second version");
  compare->add_flag("--stdin", v.version.from_stdin, "Read lines 'A B' from standard input; each gets one line of answer, blank ones none");
  compare->callback([&v] { v.version.compare = true; v.chosen = {"version", v.version}; });
  auto* purl = root.add_subcommand("purl", "Parse and build package URLs")->require_subcommand(1);
  auto* parse = purl->add_subcommand("parse", "Print the parts of a package URL as JSON");
  parse->add_option("text", v.purl.text, "Package URL")->required();
  parse->callback([&v] { v.purl.verb = PurlArguments::Verb::kParse; v.chosen = {"purl", v.purl}; });
  auto* build = purl->add_subcommand("build", "Print the package URL with these parts");
  build->add_option("json", v.purl.text, "Parts as JSON: type, namespace, name, version, qualifiers, subpath")->required();
  build->callback([&v] { v.purl.verb = PurlArguments::Verb::kBuild; v.chosen = {"purl", v.purl}; });
  Examples(parse, "  bulwark purl parse 'pkg:deb/debian/curl@7.88.1-10?arch=amd64'\n");
  Examples(build, "  bulwark purl build '{\"type\":\"npm\",\"namespace\":\"@babel\",\"name\":\"core\",\"version\":\"7.0.0\"}'\n");
  root.add_subcommand("worker", "")->group("")->callback([&v] { v.chosen = {"worker", WorkerArguments{}}; });
}

// The verb that was reached, "bulwark db build", and its parser.
const CLI::App* Reached(const CLI::App& root, std::string& path, int& words) {
  const CLI::App* app = &root;
  path = root.get_name();
  for (; !app->get_subcommands().empty(); ++words) {
    app = app->get_subcommands().front();
    path += " " + app->get_name();
  }
  return app;
}

// Says what is wrong, to which verb, and where help is.
int RefuseUsage(const CLI::App& root, const CLI::ParseError& problem, const std::vector<std::string>& words) {
  std::string path, verbs;
  int depth = 0;
  const CLI::App* app = Reached(root, path, depth);
  const std::string to = depth ? path.substr(path.find(' ') + 1) + ": " : "";
  for (const auto* verb : app->get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); }))
    verbs += (verbs.empty() ? "" : ", ") + verb->get_name();
  bool wants_verb = app->get_require_subcommand_min() > 0 && !verbs.empty();
  std::string given = static_cast<std::size_t>(depth) < words.size() ? words[static_cast<std::size_t>(depth)] : "";
  if (wants_verb && given.empty()) {
    ErrorLine(to + "what shall it do? There are " + verbs);
  } else if (wants_verb && !given.starts_with("-")) {
    ErrorLine(to + "no verb '" + given + "'; there are " + verbs);
  } else {
    ErrorLine(to + problem.what());
  }
  NoteLine("'" + path + " --help' says more");
  return kUsage;
}

// "help scan" is "scan --help".
std::vector<std::string> Words(int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.push_back("--help");
  }
  return words;
}

}  // namespace

Command ParseArguments(int argc, char** argv) {
  Values values;
  CLI::App root("A container registry that keeps dangerous images from running.", "bulwark");
  root.require_subcommand(1);
  root.set_version_flag("--version", std::string("bulwark ") + BW_VERSION);
  root.footer(std::string("'bulwark VERB --help' says more about a verb.\n") + kExitCodes);
  AddServe(root, values);
  AddScan(root, values);
  AddDb(root, values);
  AddPolicy(root, values);
  AddException(root, values);
  AddCopies(root, values);
  AddLogins(root, values);
  AddUser(root, values);
  AddGc(root, values);
  AddSmall(root, values);
  const std::vector<std::string> words = Words(argc, argv);
  try {
    root.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // the library takes them from the back
  } catch (const CLI::ParseError& e) {  // the library's way to answer; caught here, at the edge
    return {"", Answered{e.get_exit_code() == 0 ? root.exit(e) : RefuseUsage(root, e, words)}};
  }
  return values.chosen;
}

}  // namespace bulwark::cli
