// YAML as PyYAML's safe loader reads it and its safe dumper prints it; the expected texts were
// taken from PyYAML 6.
#include <random>

#include <gtest/gtest.h>

#include "model/value.h"

namespace aurum::model {
namespace {

std::string read(std::string_view yaml) {
  const auto value = parse_yaml(yaml);
  return value ? to_json(*value) : "error: " + value.error().message;
}

TEST(YamlScalars, MeanWhatPyYamlTakesThemFor) {
  struct Case {
    const char *yaml, *json;
  };
  for (const auto& c : {
           Case{"on", "true"},
           Case{"Off", "false"},
           Case{"YES", "true"},
           Case{"tRUE", "\"tRUE\""},
           Case{"y", "\"y\""},
           Case{"~", "null"},
           Case{"Null", "null"},
           Case{"", "null"},
           Case{"0777", "511"},
           Case{"08", "\"08\""},
           Case{"0o7", "\"0o7\""},
           Case{"1_000", "1000"},
           Case{"0x1F", "31"},
           Case{"-0b11", "-3"},
           Case{"0b_-0", "\"0b_-0\""},
           Case{"12:30:45", "45045"},
           Case{"-1:30", "-90"},
           Case{"1:60", "\"1:60\""},
           Case{"01:30", "\"01:30\""},
           Case{"1:30.5", "90.5"},
           Case{"1.5", "1.5"},
           Case{"1.", "1.0"},
           Case{".5", "0.5"},
           Case{"-.5", "\"-.5\""},
           Case{"1e3", "\"1e3\""},
           Case{"1.5e+3", "1500.0"},
           Case{".inf", "null"},
           Case{"'on'", "\"on\""},
           Case{"\"1\"", "\"1\""},
           Case{"! 12", "\"12\""},
           Case{"!!str 12", "\"12\""},
           Case{"!!int '12'", "12"},
           Case{"!!float 3", "3.0"},
           Case{"2020-01-01", "\"2020-01-01\""},
           Case{"9223372036854775807", "9223372036854775807"},
           Case{"9223372036854775808", "\"9223372036854775808\""},
       })
    EXPECT_EQ(read(c.yaml), c.json) << c.yaml;
}

TEST(YamlMaps, MergeKeysDuplicatesAndAnchors) {
  EXPECT_EQ(read("a: 1\nb: 2\na: 3\n"), R"({"a":3,"b":2})");
  EXPECT_EQ(read("base: &b {x: 1, y: 2}\nc:\n  y: 9\n  <<: *b\n"),
            R"({"base":{"x":1,"y":2},"c":{"x":1,"y":9}})");
  EXPECT_EQ(read("- &a {k: 1}\n- &b {k: 2, l: 3}\n- <<: [*a, *b]\n"),
            R"([{"k":1},{"k":2,"l":3},{"k":1,"l":3}])");
  EXPECT_EQ(read("'<<': 1\n1: x\non: y\n"), R"({"<<":1,"1":"x","true":"y"})");
  EXPECT_EQ(read("a: &x [1]\nb: *x\n"), R"({"a":[1],"b":[1]})");
  EXPECT_EQ(read(""), "null");
  EXPECT_EQ(read("a:\n  - b: |\n      text\n    c: >-\n      x\n      y\n"),
            R"({"a":[{"b":"text\n","c":"x y"}]})");
}

TEST(YamlErrors, NameLineAndColumn) {
  EXPECT_EQ(read("a: 1\nb: [1, 2\n").substr(0, 14), "error: line 3,");
  EXPECT_EQ(read("a: {<<: 3}"),
            "error: line 1, column 9: the merge key \"<<\" needs a map or a list of maps");
  EXPECT_EQ(read("a: 1\n---\nb: 1\n").substr(0, 14), "error: line 2,");
  EXPECT_EQ(read("a: \xff"), "error: line 1, column 4: not valid UTF-8");
  EXPECT_EQ(read(std::string_view("a: \0", 4)),
            "error: line 1, column 4: control character U+0000");
  EXPECT_EQ(read("a: *nobody").substr(0, 13), "error: line 1");
  EXPECT_EQ(read("a: &x [*x]").substr(0, 13), "error: line 1");
  EXPECT_EQ(read("{[1]: 2}"), "error: line 1, column 2: a list or map can not be a key");
  EXPECT_EQ(read("a: !python/object:os.system x").substr(0, 13), "error: line 1");
}

TEST(YamlBounds, HostileDocumentsAreRefusedQuickly) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j ? "," : "") + last;
    bomb += "]\n";
  }
  EXPECT_FALSE(parse_yaml(bomb));
  EXPECT_FALSE(parse_yaml(std::string(100'000, '[')));
  EXPECT_FALSE(parse_yaml(std::string(100'000, '{')));
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += std::string(i, ' ') + "a:\n";
  EXPECT_FALSE(parse_yaml(deep));
  EXPECT_FALSE(parse_yaml(std::string(3 << 20, ' ')));
}

std::string print(const char* json, YamlStyle style = {}) {
  return to_yaml(*parse_json(json), style);
}

TEST(YamlPrint, BlockStyle) {
  EXPECT_EQ(
      print(R"({"ttl":30,"postgresql":{"use_pg_rewind":true,"parameters":{},"pg_hba":["a b","c"]},)"
            R"("l":[[1,2],{"a":1,"b":[]},[]],"n":null,"f":1.5,"g":1e20})"),
      "ttl: 30\npostgresql:\n  use_pg_rewind: true\n  parameters: {}\n  pg_hba:\n  - a b\n"
      "  - c\nl:\n- - 1\n  - 2\n- a: 1\n  b: []\n- []\nn: null\nf: 1.5\ng: 1.0e+20\n");
  EXPECT_EQ(print(R"({"b":1,"a":{"d":1,"c":2}})", {.sort_keys = true}),
            "a:\n  c: 2\n  d: 1\nb: 1\n");
  EXPECT_EQ(print("{}"), "{}\n");
  EXPECT_EQ(print("\"x\""), "x\n...\n");
  EXPECT_EQ(print("\"on\""), "'on'\n");
}

TEST(YamlPrint, AmbiguousTextIsQuoted) {
  struct Case {
    const char *json, *yaml;
  };
  for (const auto& c : {Case{R"("1")", "'1'"},
                        Case{R"("on")", "'on'"},
                        Case{R"("")", "''"},
                        Case{R"("08")", "08"},
                        Case{R"("12:30")", "'12:30'"},
                        Case{R"("2020-01-01")", "'2020-01-01'"},
                        Case{R"("a: b")", "'a: b'"},
                        Case{R"("a:b")", "a:b"},
                        Case{R"("it's")", "it's"},
                        Case{R"("'x")", "'''x'"},
                        Case{R"("# x")", "'# x'"},
                        Case{R"("a #b")", "'a #b'"},
                        Case{R"("- a")", "'- a'"},
                        Case{R"("%p")", "'%p'"},
                        Case{R"("=")", "'='"},
                        Case{R"("a\tb")", R"("a\tb")"},
                        Case{R"(" a")", "' a'"},
                        Case{R"("a\nb")", "'a\n\n  b'"},
                        Case{R"("\u00e9")", "\xC3\xA9"},
                        Case{R"("\u0001")", R"("\x01")"},
                        Case{R"("cp %p /a/%f")", "cp %p /a/%f"}}) {
    EXPECT_EQ(print((R"({"k":)" + std::string(c.json) + "}").c_str()),
              "k: " + std::string(c.yaml) + "\n");
  }
}

TEST(YamlPrint, FlowStyleAndWidth) {
  EXPECT_EQ(print(R"({"clonefrom":true,"mytag":"v1","l":[1,"a,b"],"e":{}})", {.flow = true}),
            "{clonefrom: true, mytag: v1, l: [1, 'a,b'], e: {}}");
  std::string words;
  for (int i = 0; i < 20; ++i) words += "word" + std::to_string(i) + " ";
  const Value long_text = Value(Value::Object{{"k", Value(words + "end")}});
  EXPECT_EQ(to_yaml(long_text),
            "k: word0 word1 word2 word3 word4 word5 word6 word7 word8 word9 word10 word11 word12\n"
            "  word13 word14 word15 word16 word17 word18 word19 end\n");
  EXPECT_EQ(to_yaml(long_text, {.width = 200}), "k: " + words + "end\n");
}

/// Small random values with scalars that are easily mistaken for others.
class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}
  Value value(int depth) {
    const int kind = pick(depth > 0 ? 8 : 6);
    if (kind == 6) {
      Value list = Value::array();
      for (int i = pick(4); i > 0; --i) list.push_back(value(depth - 1));
      return list;
    }
    if (kind == 7) {
      Value map = Value::object();
      for (int i = pick(4); i > 0; --i) map.set(text(), value(depth - 1));
      return map;
    }
    if (kind == 0) return Value(std::int64_t{pick(2'000'000) - 1'000'000});
    if (kind == 1) return Value(pick(2) == 1);
    if (kind == 2) return pick(2) ? Value() : Value(pick(1000) / 7.0);
    return text();
  }
  std::string text() {
    static constexpr const char* pieces[] = {
        "a",    "on", "1",  ":", " ", "#",  "'", "\"", "\n", "-", "[", "}", ",", "0x", "_",
        "null", "~",  "\t", ".", "é", "\\", "%", "12", "&",  "*", "!", "?", ">", "|",  "="};
    std::string out;
    for (int i = pick(7); i > 0; --i) out += pieces[pick(std::size(pieces))];
    return out;
  }
  std::string garbage() {
    static constexpr std::string_view bytes = "{}[]:,-#&*!|>'\"%@` \n\tab0.~?<\\\x01\x80\xc3";
    std::string out;
    for (int i = pick(60); i > 0; --i) out += bytes[pick(bytes.size())];
    return out;
  }

 private:
  int pick(std::size_t n) { return static_cast<int>(random_() % n); }
  std::mt19937 random_;
};

TEST(YamlProperty, WhatIsPrintedIsReadBack) {
  Maker make(42);
  for (int i = 0; i < 3000; ++i) {
    const Value value = make.value(4);
    for (bool flow : {false, true}) {
      const std::string yaml = to_yaml(value, {.flow = flow, .width = 30});
      const auto back = parse_yaml(yaml);
      ASSERT_TRUE(back) << yaml << "\n" << back.error().message;
      ASSERT_EQ(*back, value) << yaml << to_json(value);
    }
  }
}

TEST(JsonProperty, WhatIsPrintedIsReadBack) {
  Maker make(7);
  for (int i = 0; i < 3000; ++i) {
    const Value value = make.value(4);
    for (const auto& text : {to_json(value), to_json_loose(value), to_json_pretty(value)})
      ASSERT_EQ(*parse_json(text), value) << text;
  }
}

TEST(GarbageProperty, ParsersAnswerWithAValueOrAnError) {
  Maker make(3);
  int read = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = make.garbage();
    read += parse_yaml(text).has_value() + parse_json(text).has_value();
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace aurum::model
