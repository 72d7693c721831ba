#include "model/succession.h"

#include <algorithm>

#include "model/decode.h"

namespace aurum::model {

namespace {

Duration ms_at(const Value& object, std::string_view key) {
  return milliseconds(std::clamp<std::int64_t>(int_at(object, key), 0, 86'400'000));
}

}  // namespace

std::vector<Succession> decode_successions(std::string_view text) {
  std::vector<Succession> list;
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_array()) return list;
  for (const Value& row : parsed->as_array()) {
    if (!row.is_object() || text_at(row, "to").empty()) continue;
    Succession s{.at = text_at(row, "at"),
                 .from = text_at(row, "from"),
                 .to = text_at(row, "to"),
                 .why = text_at(row, "why"),
                 .timeline = timeline_of(row.find("timeline")).value_or(0),
                 .lsn = lsn_of(row.find("lsn")).value_or(Lsn{}),
                 .detect = ms_at(row, "detect_ms"),
                 .acquire = ms_at(row, "acquire_ms"),
                 .promote = ms_at(row, "promote_ms"),
                 .open = ms_at(row, "open_ms")};
    if (const Value* others = row.find("others"); others != nullptr && others->is_object())
      for (const auto& [name, lsn] : others->as_object()) s.others[name] = lsn_of(&lsn);
    list.push_back(std::move(s));
  }
  return list;
}

std::string encode_successions(const std::vector<Succession>& list) {
  Value out = Value::array();
  const std::size_t first = list.size() - std::min(list.size(), kSuccessionsKept);
  for (std::size_t i = first; i < list.size(); ++i) {
    const Succession& s = list[i];
    Value row = Value::object();
    row.set("at", s.at);
    row.set("from", s.from);
    row.set("to", s.to);
    row.set("why", s.why);
    row.set("timeline", std::int64_t{s.timeline});
    row.set("lsn", lsn_value(s.lsn));
    Value& others = row.set("others", Value::object());
    for (const auto& [name, lsn] : s.others) others.set(name, lsn ? lsn_value(*lsn) : Value());
    row.set("detect_ms", to_ms(s.detect));
    row.set("acquire_ms", to_ms(s.acquire));
    row.set("promote_ms", to_ms(s.promote));
    row.set("open_ms", to_ms(s.open));
    out.push_back(std::move(row));
  }
  return to_json(out);
}

}  // namespace aurum::model
