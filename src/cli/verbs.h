#pragma once
// One function a verb; each lives in the file of its name. They print what they have to say and return the exit code.

#include "cli/arguments.h"

namespace bulwark::cli {

int RunServe(const ServeArguments& a);
int RunScan(const ScanArguments& a);
int RunSbom(const ScanArguments& a);
int RunDb(const DbArguments& a);
int RunDbUpdate(const DbArguments& a);
int RunFeeds();
int RunPolicy(const PolicyArguments& a);
int RunException(const ExceptionArguments& a);
int RunPush(const CopyArguments& a);
int RunPull(const CopyArguments& a);
int RunCopy(TransferArguments a);
int RunLogin(const LoginArguments& a);
int RunLogout(const LoginArguments& a);
int RunWhy(const WhyArguments& a);
int RunUser(const UserArguments& a);
int RunGc(const GcArguments& a);
int RunVersion(const VersionArguments& a);
int RunPurl(const PurlArguments& a);
int RunWorker();

}  // namespace bulwark::cli
