#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lab/trace.h"

namespace aurum::lab {

namespace {

using Kind = sim::TraceEntry::Kind;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

/// What is said again and again tells no story.
bool worth_telling(const sim::TraceEntry& entry) {
  return entry.kind != Kind::page && !entry.text.starts_with("[cycle] no action");
}

std::string sentence(const sim::TraceEntry& e) {
  switch (e.kind) {
    case Kind::note:
      return e.text;
    case Kind::fault:
      return "FAULT " + e.text;
    case Kind::role:
      return "is now " + e.text;
    case Kind::page:
      return "lease page: " + e.text;
    case Kind::leader:
      return e.text.empty() ? "THE LEADER KEY IS GONE" : "THE LEADER IS " + e.text;
    case Kind::violation:
      return "BROKEN " + e.text;
  }
  return e.text;
}

const char* const kStyle = R"(<style>
body{font:14px system-ui,sans-serif;margin:1.5em;color:#222}
.lane{display:flex;align-items:center;margin:3px 0}.lane b{width:5em}
.bar{position:relative;flex:1;height:22px;background:#f3f3f3}
.bar i{position:absolute;top:0;bottom:0}.bar u{position:absolute;top:-3px;bottom:-3px;width:2px;background:#c00}
.primary{background:#2a7d46}.streaming{background:#8fc7e8}.standby{background:#d5e6f0}
.starting{background:#f0d27a}.hung{background:#b05ad0}.stopped{background:#bbb}.off{background:#555}
td{padding:1px 8px;vertical-align:top}td:first-child{text-align:right;color:#777}
.fault{color:#b35900}.violation{color:#c00;font-weight:bold}.leader{font-weight:bold}.role{color:#357}
</style>)";

std::string class_of(const std::string& role) { return role.substr(0, role.find(',')); }

/// One lane: a piece for each role the node had, a mark for each fault that hit it.
std::string lane(const Trace& trace, const std::string& node) {
  const double whole = std::max(to_seconds(trace.length), 0.001);
  const auto percent = [&](Duration at) { return 100 * to_seconds(at) / whole; };
  std::string pieces, marks, role;
  Duration since{};
  const auto finish = [&](Duration until) {
    if (role.empty()) return;
    pieces += fmt::format(
        "<i class=\"{}\" style=\"left:{:.3f}%;width:{:.3f}%\" title=\"{} {:.3f}-{:.3f} s\"></i>",
        class_of(role), percent(since), percent(until - since), escaped(role), to_seconds(since),
        to_seconds(until));
  };
  for (const auto& e : trace.entries) {
    if (e.node != node) continue;
    if (e.kind == Kind::role) {
      finish(e.at);
      role = e.text;
      since = e.at;
    } else if (e.kind == Kind::fault) {
      marks += fmt::format("<u style=\"left:{:.3f}%\" title=\"{}\"></u>", percent(e.at),
                           escaped(e.text));
    }
  }
  finish(trace.length);
  return fmt::format("<div class=lane><b>{}</b><div class=bar>{}{}</div></div>\n", escaped(node),
                     pieces, marks);
}

}  // namespace

std::string story_text(const Trace& trace) {
  std::string text =
      fmt::format("{}, {:.3f} s; {}\n", trace.cluster, to_seconds(trace.length), trace.replay);
  for (const auto& e : trace.entries) {
    if (worth_telling(e))
      text += fmt::format("{:>10.3f}  {:<4} {}\n", to_seconds(e.at), e.node, sentence(e));
  }
  for (const auto& broken : trace.broken) text += "BROKEN " + broken + "\n";
  return text;
}

std::string story_html(const Trace& trace) {
  std::string html = fmt::format(
      "<!doctype html>\n<meta charset=utf-8>\n<title>{0}</title>\n{1}\n<h1>{2}</h1>\n"
      "<p><code>{0}</code></p>\n",
      escaped(trace.replay), kStyle, escaped(trace.cluster));
  for (const auto& broken : trace.broken)
    html += fmt::format("<p class=violation>{}</p>\n", escaped(broken));
  for (const auto& node : trace.nodes()) html += lane(trace, node);
  html += "<p>";
  for (const char* role : {"primary", "streaming", "standby", "starting", "hung", "stopped", "off"})
    html += fmt::format("<i class={0}>&nbsp;&nbsp;&nbsp;</i> {0} &nbsp; ", role);
  html += fmt::format("<span class=fault>|</span> fault; 0 to {:.0f} s</p>\n<table>\n",
                      to_seconds(trace.length));
  for (const auto& e : trace.entries) {
    if (!worth_telling(e)) continue;
    html += fmt::format("<tr class={}><td>{:.3f}<td>{}<td>{}\n", name_of(e.kind), to_seconds(e.at),
                        escaped(e.node), escaped(sentence(e)));
  }
  return html + "</table>\n";
}

}  // namespace aurum::lab
