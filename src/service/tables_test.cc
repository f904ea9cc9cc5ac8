// What DESIGN 2.16 takes for granted of the schema: a statement that names a quiet table changes no other.
#include "service/tables.h"

#include <algorithm>

#include "service/service_fixture.h"

namespace bulwark::service {
namespace {

bool IsQuiet(std::string_view table) {
  const auto quiet = QuietTables();
  return std::find(quiet.begin(), quiet.end(), table) != quiet.end();
}

class QuietTablesTest : public ServiceFixture {
 protected:
  std::vector<std::string> Names(std::string_view sql) {
    std::vector<std::string> out;
    Must(database_->Read([&](const storage::ReadTx& tx) {
      out.clear();
      return tx.Each(sql, {}, [&](const storage::Row& row) {
        out.emplace_back(row.Text(0));
        return true;
      });
    }));
    return out;
  }
  std::vector<std::string> Tables() { return Names("SELECT name FROM sqlite_schema WHERE type = 'table'"); }
  // What a change of a quiet table would do to others, in words.
  std::vector<std::string> Leaks() {
    std::vector<std::string> out;
    for (const std::string& table : Names("SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger'"))
      if (IsQuiet(table)) out.push_back("trigger on " + table);
    for (const std::string& table : Tables()) {
      if (IsQuiet(table)) continue;
      for (const std::string& parent :
           Names("SELECT \"table\" FROM pragma_foreign_key_list('" + table +
                 "') WHERE on_update NOT IN ('NO ACTION', 'RESTRICT') OR on_delete NOT IN ('NO ACTION', 'RESTRICT')"))
        if (IsQuiet(parent)) out.push_back(table + " follows " + parent);
    }
    return out;
  }
  void Define(std::string_view sql) {
    Must(database_->Write([&](storage::Tx& tx) -> Status {
      BW_CHECK(tx.Exec(sql));
      return {};
    }));
  }
};

// One that was renamed or mistyped would be loud without a sign of it.
TEST_F(QuietTablesTest, AreThere) {
  const auto tables = Tables();
  for (std::string_view table : QuietTables())
    EXPECT_EQ(std::count(tables.begin(), tables.end(), table), 1) << table;
}

TEST_F(QuietTablesTest, ChangeNoOthers) {
  EXPECT_EQ(Leaks(), std::vector<std::string>());
  // What the check is good for.
  Define("CREATE TABLE loud (a INTEGER PRIMARY KEY, b INTEGER REFERENCES blobs(id) ON DELETE CASCADE, "
         "c INTEGER REFERENCES blobs(id))");
  Define("CREATE TABLE louder (a INTEGER PRIMARY KEY, b INTEGER REFERENCES jobs(id) ON UPDATE SET NULL)");
  Define("CREATE TRIGGER t AFTER INSERT ON leases BEGIN UPDATE judging SET configured = ''; END");
  EXPECT_EQ(Leaks(), (std::vector<std::string>{"trigger on leases", "loud follows blobs", "louder follows jobs"}));
}

}  // namespace
}  // namespace bulwark::service
