#include "cli/run.h"

int main(int argc, char** argv) { return bulwark::cli::Run(argc, argv); }
