#include "pg/check_settings.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pg/files.h"
#include "pg/programs.h"
#include "runtime/process.h"

namespace aurum::pg {

namespace {

constexpr auto kCheckTimeout = seconds(5);
/// The server first names all settings it does not know, then all values it does not take.
constexpr int kRoundsMax = 4;

bool names(std::string_view line, std::string_view setting) {
  return line.find(fmt::format("\"{}\"", setting)) != std::string_view::npos;
}

/// "2026-11-22 22:14:43.000 GMT [123] LOG:  invalid value …" without its head.
std::string_view without_head(std::string_view line) {
  for (std::string_view level : {"LOG:  ", "ERROR:  ", "FATAL:  "})
    if (const auto at = line.find(level); at != std::string_view::npos)
      return line.substr(at + level.size());
  return line;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> refused_settings(std::string_view output,
                                                                  const Settings& settings) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!output.empty()) {
    const auto end = output.find('\n');
    const auto line = output.substr(0, end);
    output = end == std::string_view::npos ? std::string_view() : output.substr(end + 1);
    for (const auto& [name, value] : settings) {
      const bool known = std::any_of(out.begin(), out.end(),
                                     [&](const auto& refused) { return refused.first == name; });
      if (!known && names(line, name)) out.emplace_back(name, without_head(line));
    }
  }
  return out;
}

namespace {

/// `postgres -C NAME`: starts nothing, and prints the value that these files give.
runtime::Task<Result<runtime::ProcessEnd>> ask_for(std::string program, std::string data_dir,
                                                   std::string config_file, std::string name) {
  runtime::ProcessSpec spec;
  spec.argv = {std::move(program),
               "-D",
               std::move(data_dir),
               "--config-file=" + std::move(config_file),
               "-C",
               std::move(name)};
  spec.env = child_environment();
  spec.timeout = kCheckTimeout;
  co_return co_await runtime::run_process(std::move(spec));
}

fs::path check_file(const CheckPlan& plan) {
  return plan.config_dir / (plan.base_name + ".check.conf");
}

runtime::Task<void> remove_quietly(runtime::Pool& pool, fs::path file) {
  co_await runtime::in_pool(pool, [file] {
    std::error_code ec;
    return fs::remove(file, ec);
  });
}

}  // namespace

runtime::Task<Result<std::vector<std::pair<std::string, std::string>>>> ask_server_program(
    std::string program, std::string data_dir, std::string config_file, Settings settings) {
  auto end = co_await ask_for(std::move(program), std::move(data_dir), std::move(config_file),
                              "data_directory");
  if (!end) co_return fail(end.error());
  if (end->ok()) co_return std::vector<std::pair<std::string, std::string>>{};
  auto refused = refused_settings(end->err, settings);
  if (refused.empty()) co_return fail(Code::invalid, end->reason());
  co_return refused;
}

runtime::Task<std::vector<model::Finding>> drop_unusable(CheckPlan plan, WantedSettings& wanted,
                                                         runtime::Pool& pool) {
  std::vector<model::Finding> findings;
  const auto file = check_file(plan);
  for (int round = 0; round < kRoundsMax; ++round) {
    auto written = co_await runtime::in_pool(
        pool, [file, text = plan.render(wanted), mode = file_mode(plan.data_dir)] {
          return write_file(file, text, mode);
        });
    if (!written) break;  // the real file will meet the same trouble, and say so
    auto refused = co_await ask_server_program(plan.program, plan.data_dir.string(), file.string(),
                                               wanted.file);
    if (!refused) {
      findings.push_back({model::Finding::Level::warning, "postgresql.parameters",
                          "could not be checked: " + refused.error().message, ""});
      break;
    }
    if (refused->empty()) break;
    for (const auto& [name, why] : *refused) {
      findings.push_back({model::Finding::Level::warning, "postgresql.parameters." + name,
                          "is ignored, PostgreSQL refuses it: " + why,
                          "Correct it with ctl edit-config, or in the file of this member."});
      wanted.file.erase(name);
    }
  }
  co_await remove_quietly(pool, file);
  co_return findings;
}

runtime::Task<Result<std::string>> value_by_files(CheckPlan plan, const WantedSettings& wanted,
                                                  std::string name, runtime::Pool& pool) {
  const auto file = check_file(plan);
  auto written = co_await runtime::in_pool(
      pool, [file, text = plan.render(wanted), mode = file_mode(plan.data_dir)] {
        return write_file(file, text, mode);
      });
  if (!written) co_return fail(written.error());
  auto end = co_await ask_for(plan.program, plan.data_dir.string(), file.string(), name);
  co_await remove_quietly(pool, file);
  if (!end) co_return fail(end.error());
  if (!end->ok()) co_return fail(Code::invalid, tool_reason(*end));
  std::string value = end->out;
  while (value.ends_with('\n')) value.pop_back();
  co_return value;
}

}  // namespace aurum::pg
