// Value, its JSON notations, patches and the lenient readers.
#include "model/value.h"

#include <gtest/gtest.h>

namespace aurum::model {
namespace {

TEST(Json, NotationsAndEscapes) {
  const Value v =
      *parse_json(R"({"b":[1,2.0,true,null],"a":{"x":"é\u0001\u007f\"/"},"e":{},"l":[]})");
  EXPECT_EQ(to_json(v),
            R"({"b":[1,2.0,true,null],"a":{"x":"\u00e9\u0001\u007f\"/"},"e":{},"l":[]})");
  EXPECT_EQ(
      to_json_loose(v),
      R"({"b": [1, 2.0, true, null], "a": {"x": "\u00e9\u0001\u007f\"/"}, "e": {}, "l": []})");
  EXPECT_EQ(to_json_pretty(*parse_json(R"({"a":[1],"e":{}})")),
            "{\n  \"a\": [\n    1\n  ],\n  \"e\": {}\n}");
  EXPECT_EQ(to_json(Value(std::string("\xff"))), R"("\ufffd")");
}

TEST(Json, KeepsOrderAndNumberTypes) {
  EXPECT_EQ(to_json(*parse_json(R"({"z":1,"a":1.0,"z":2})")), R"({"z":2,"a":1.0})");
  EXPECT_EQ(to_json(*parse_json("9223372036854775807")), "9223372036854775807");
  EXPECT_TRUE(parse_json("9223372036854775808")->is_real());
  EXPECT_EQ(to_json(*parse_json("1e16")), "1e+16");
}

TEST(Json, RefusesGarbageAndBounds) {
  for (std::string_view bad :
       {"", "{", "[1,]", "nul", "1 2", "'a'", "{\"a\" 1}", "\"\xff\"", "1e999"})
    EXPECT_FALSE(parse_json(bad)) << bad;
  EXPECT_TRUE(parse_json(std::string(60, '[') + std::string(60, ']')));
  EXPECT_EQ(parse_json(std::string(100'000, '[')).error().message, "nested deeper than 64 levels");
  std::string many = "{";
  for (int i = 0; i < 100'000; ++i) many += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_EQ(parse_json(many + "\"k7\":1}")->size(), 100'000U);
}

TEST(Value, AccessAndText) {
  Value v;
  v.set("a", 1);
  v.set("b", Value::array());
  v.set("a", "x");
  v.find("b")->push_back(true);
  EXPECT_EQ(to_json(v), R"({"a":"x","b":[true]})");
  EXPECT_EQ(v.at({"a", "b"}), nullptr);
  EXPECT_TRUE(v.erase("a"));
  EXPECT_FALSE(v.erase("a"));
  EXPECT_EQ(Value(1.5).text(), "1.5");
  EXPECT_EQ(Value(true).text(), "true");
  EXPECT_EQ(Value().text(), "");
  EXPECT_EQ(v.text(), R"({"b":[true]})");
  EXPECT_NE(Value(1), Value(1.0));
  EXPECT_EQ(Value(1.0).type_name(), "number");
}

TEST(MergePatch, NullDeletesMapsMergeOthersReplace) {
  struct Case {
    const char *target, *patch, *result;
    bool changed;
  };
  for (const auto& c : {Case{R"({"a":1,"b":2})", R"({"a":null})", R"({"b":2})", true},
                        Case{R"({"a":1})", R"({"x":null})", R"({"a":1})", false},
                        Case{R"({"a":{"b":1,"c":2}})", R"({"a":{"b":3,"d":4}})",
                             R"({"a":{"b":3,"c":2,"d":4}})", true},
                        Case{R"({"a":100})", R"({"a":"100"})", R"({"a":100})", false},
                        Case{R"({"a":true})", R"({"a":"on"})", R"({"a":"on"})", true},
                        Case{R"({"a":[1,2]})", R"({"a":[1]})", R"({"a":[1]})", true},
                        Case{R"({"a":[1]})", R"({"a":"[1]"})", R"({"a":"[1]"})", true},
                        Case{R"({"a":[1]})", R"({"a":[1]})", R"({"a":[1]})", false},
                        Case{R"({"a":1})", R"({"a":{"b":1}})", R"({"a":{"b":1}})", true},
                        Case{R"({})", R"({"a":{"b":null,"c":1}})", R"({"a":{"c":1}})", true},
                        Case{R"({"a":""})", R"({"a":{}})", R"({"a":{}})", true}}) {
    Value target = *parse_json(c.target);
    EXPECT_EQ(merge_patch(target, *parse_json(c.patch)), c.changed) << c.target << c.patch;
    EXPECT_EQ(to_json(target), c.result);
  }
}

TEST(Overlay, LaterWinsAndNullStays) {
  Value target = *parse_json(R"({"a":{"b":1,"c":2},"d":[1]})");
  overlay(target, *parse_json(R"({"a":{"b":null},"d":[2,3],"e":1})"));
  EXPECT_EQ(to_json(target), R"({"a":{"b":null,"c":2},"d":[2,3],"e":1})");
}

TEST(Readers, Booleans) {
  for (const Value& v :
       {Value("on"), Value("TRUE"), Value("yes"), Value(1), Value("1"), Value(true)})
    EXPECT_EQ(read_bool(v), true) << v.text();
  for (const Value& v : {Value("off"), Value("no"), Value(0), Value(false)})
    EXPECT_EQ(read_bool(v), false) << v.text();
  for (const Value& v : {Value("x"), Value(2), Value(), Value(1.0), Value::array()})
    EXPECT_EQ(read_bool(v), std::nullopt) << v.text();
}

TEST(Readers, NumbersAndUnits) {
  EXPECT_EQ(read_int(Value("12")), 12);
  EXPECT_EQ(read_int(Value(" +7 ")), 7);
  EXPECT_EQ(read_int(Value("-5")), -5);
  EXPECT_EQ(read_int(Value(2.5)), 3);
  EXPECT_EQ(read_int(Value("9223372036854775807")), INT64_MAX);
  for (const Value& v : {Value("1x"), Value(""), Value("nan"), Value("inf"), Value("1e999"),
                         Value(true), Value(1e300), Value("0x10"), Value("99999999999999999999")})
    EXPECT_EQ(read_int(v), std::nullopt) << v.text();

  EXPECT_EQ(read_duration_ms(Value(30)), 30'000);
  EXPECT_EQ(read_duration_ms(Value(30), 1), 30);
  EXPECT_EQ(read_duration_ms(Value("30")), 30'000);
  EXPECT_EQ(read_duration_ms(Value("500ms")), 500);
  EXPECT_EQ(read_duration_ms(Value("1.5 min")), 90'000);
  EXPECT_EQ(read_duration_ms(Value("1h")), 3'600'000);
  EXPECT_EQ(read_duration_ms(Value("1d")), 86'400'000);
  EXPECT_EQ(read_duration_ms(Value("1 year")), std::nullopt);

  EXPECT_EQ(read_bytes(Value(1048576)), 1048576);
  EXPECT_EQ(read_bytes(Value("16kB")), 16384);
  EXPECT_EQ(read_bytes(Value("1MB")), 1048576);
  EXPECT_EQ(read_bytes(Value("1GB")), 1073741824);
  EXPECT_EQ(read_bytes(Value("-1")), -1);
  EXPECT_EQ(read_bytes(Value("1 parsec")), std::nullopt);
}

}  // namespace
}  // namespace aurum::model
