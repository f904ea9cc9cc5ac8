#include "app/feed_upkeep.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace bulwark::app {
namespace {

// What the process reads is what the server was configured with.
TEST(FeedOrders, SayWhatTheConfigurationSays) {
  config::Config config;
  config.data_directory = "/var/lib/\"odd\" \xc3\xa9: #[folder]";
  config.advisory_database = "/elsewhere/a.bwa";
  config.advisory_update = std::chrono::minutes(90);
  config.sandbox = config::Sandbox::kOff;
  config.advisory_sources.emplace_back().from = "osv/npm";
  config::AdvisorySource& full = config.advisory_sources.emplace_back();
  full.name = "full";
  full.urls = {"https://a.example/%20?x=\"y\"", "http://b.example/"};
  full.format = "jsonl.gz";
  full.whole = {"npm", "Debian:12"};
  full.ca_file = "/etc/ca: x.pem";
  full.credentials_file = "/etc/login";
  full.plain_http = true;
  full.max_bytes = 5;
  const std::string order = FeedOrder(config);
  const UniqueFd fd(::memfd_create("order", MFD_CLOEXEC));
  ASSERT_EQ(::write(fd.get(), order.data(), order.size()), static_cast<ssize_t>(order.size()));
  auto read = ReadFeedOrder(fd.get());
  ASSERT_TRUE(read.ok()) << read.error().message << "\n" << order;
  for (auto& source : read->advisory_sources) source.line = 0;
  EXPECT_EQ(read->advisory_sources, config.advisory_sources);
  EXPECT_EQ(read->data_directory, config.data_directory);
  EXPECT_EQ(read->advisory_database, config.advisory_database);
  EXPECT_EQ(read->advisory_update, config.advisory_update);
  EXPECT_EQ(read->sandbox, config.sandbox);
}

}  // namespace
}  // namespace bulwark::app
