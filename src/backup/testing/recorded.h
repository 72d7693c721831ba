#pragma once

#include <string>
#include <string_view>

/// What `pgbackrest info --output=json` of 2.45 printed.
namespace aurum::backup::testing {

inline constexpr std::string_view kThreeBackups =
    R"([{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"0000000100000000000000)"
    R"(06","min":"000000010000000000000001"}],"backup":[{"archive":{"start":"000000010000000000)"
    R"(000002","stop":"000000010000000000000002"},"backrest":{"format":5,"version":"2.45"},"dat)"
    R"(abase":{"id":1,"repo-key":1},"error":false,"info":{"delta":23213824,"repository":{"delta)"
    R"(":4548983,"size":4548983},"size":23213824},"label":"20261123-015337F","lsn":{"start":"0/)"
    R"(2000028","stop":"0/2000100"},"prior":null,"reference":null,"timestamp":{"start":17953988)"
    R"(17,"stop":1795398824},"type":"full"},{"archive":{"start":"000000010000000000000003","sto)"
    R"(p":"000000010000000000000004"},"backrest":{"format":5,"version":"2.45"},"database":{"id")"
    R"(:1,"repo-key":1},"error":false,"info":{"delta":8458,"repository":{"delta":492,"size":454)"
    R"(8982},"size":23213824},"label":"20261123-015337F_20261123-015345D","lsn":{"start":"0/300)"
    R"(0028","stop":"0/4000050"},"prior":"20261123-015337F","reference":["20261123-015337F"],"t)"
    R"(imestamp":{"start":1795398825,"stop":1795398827},"type":"diff"},{"archive":{"start":"000)"
    R"(000010000000000000005","stop":"000000010000000000000006"},"backrest":{"format":5,"versio)"
    R"(n":"2.45"},"database":{"id":1,"repo-key":1},"error":false,"info":{"delta":8458,"reposito)"
    R"(ry":{"delta":493,"size":4548983},"size":23213824},"label":"20261123-015337F_20261123-015)"
    R"(348I","lsn":{"start":"0/5000028","stop":"0/6000050"},"prior":"20261123-015337F_20261123-)"
    R"(015345D","reference":["20261123-015337F","20261123-015337F_20261123-015345D"],"timestamp)"
    R"(":{"start":1795398828,"stop":1795398830},"type":"incr"}],"cipher":"none","db":[{"id":1,")"
    R"(repo-key":1,"system-id":7711179185693344446,"version":"15"}],"name":"main","repo":[{"cip)"
    R"(her":"none","key":1,"status":{"code":0,"message":"ok"}}],"status":{"code":0,"lock":{"bac)"
    R"(kup":{"held":false}},"message":"ok"}}])";

inline constexpr std::string_view kNoBackups =
    R"([{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":null,"min":null}],"back)"
    R"(up":[],"cipher":"none","db":[{"id":1,"repo-key":1,"system-id":7711179185693344446,"versi)"
    R"(on":"15"}],"name":"main","repo":[{"cipher":"none","key":1,"status":{"code":2,"message":")"
    R"(no valid backups"}}],"status":{"code":2,"lock":{"backup":{"held":false}},"message":"no v)"
    R"(alid backups"}}])";

inline constexpr std::string_view kNoStanza =
    R"([{"archive":[],"backup":[],"cipher":"none","db":[],"name":"main","repo":[{"cipher":"none)"
    R"(","key":1,"status":{"code":1,"message":"missing stanza path"}}],"status":{"code":1,"lock)"
    R"(":{"backup":{"held":false}},"message":"missing stanza path"}}])";

/// What it would print of a stanza with so many backups.
inline std::string many_backups(int count) {
  std::string list;
  for (int i = 0; i < count; ++i) {
    const bool full = i % 168 == 0;
    const std::string day = std::to_string(20260101 + i / 24),
                      hour = std::to_string(100000 + i % 24);
    const std::string label = "20260101-020000F" + (full ? "" : "_" + day + "-" + hour + "I");
    const std::string at = std::to_string(1795398817 + i * 3600);
    const std::string wal = "0000000100000000000000" + std::to_string(10 + i % 90);
    list +=
        (i == 0 ? "" : ",") +
        (R"({"archive":{"start":")" + wal + R"(","stop":")" + wal +
         R"("},"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":)"
         R"(false,"info":{"delta":8458,"repository":{"delta":492,"size":4548982},"size":23213824},)"
         R"("label":")" +
         label +
         R"(","lsn":{"start":"0/3000028","stop":"0/4000050"},"prior":)"
         R"("20260101-020000F","reference":["20260101-020000F"],"timestamp":{"start":)" +
         at + R"(,"stop":)" + at + R"(},"type":")" + (full ? "full" : "incr") + R"("})");
  }
  return R"([{"archive":[],"backup":[)" + list +
         R"(],"cipher":"none","db":[{"id":1,"repo-key":1,"system-id":7711179185693344446,"version":)"
         R"("15"}],"name":"main","repo":[{"cipher":"none","key":1,"status":{"code":0,"message":"ok"}}],)"
         R"("status":{"code":0,"lock":{"backup":{"held":false}},"message":"ok"}}])";
}

}  // namespace aurum::backup::testing
