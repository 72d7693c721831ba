#include "support/scripts.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <sys/stat.h>

#include <fmt/format.h>

#include "runtime/clock.h"
#include "support/inspect.h"

namespace aurum::tests {

namespace fs = std::filesystem;

namespace {

/// For everybody: its user may be another account.
fs::path folder(const stack::Plan& plan) { return plan.dir / "scripts"; }

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

}  // namespace

std::string script_path(const stack::Plan& plan, const std::string& name) {
  return folder(plan) / name;
}

void write_script(const stack::Cluster& cluster, const std::string& name, std::string body) {
  const fs::path dir = folder(cluster.plan());
  fs::create_directories(dir);
  ::chmod(dir.c_str(), 0777);
  replace_all(body, "{dir}", dir);
  const fs::path fresh = dir / (name + ".new");
  std::ofstream(fresh) << "#!/bin/sh\n" << body << "\n";
  ::chmod(fresh.c_str(), 0755);
  fs::rename(fresh, dir / name);
}

std::string script_output(const stack::Cluster& cluster, const std::string& name) {
  return file_text(folder(cluster.plan()) / name);
}

std::size_t line_count(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void run_as_account(const stack::Cluster& cluster, const std::string& command,
                    const std::string& input) {
  write_script(cluster, "run", command + "\necho \"exit $?\" > {dir}/run.end");
  const fs::path dir = folder(cluster.plan());
  std::ofstream(dir / "run.in") << input;
  fs::remove(dir / "run.end");
  fs::remove(dir / "run.log");
  const auto id = stack::launch(
      {.argv = {"/bin/sh", "-c", fmt::format("exec {0}/run < {0}/run.in", dir.string())},
       .environment = {},
       .working_dir = cluster.plan().dir,
       .log_file = dir / "run.log",
       .network_namespace = {}},
      cluster.account());
  if (!id) throw std::runtime_error(id.error().text());
  if (!stack::wait_gone(*id, seconds(120))) throw std::runtime_error(command + " did not end");
  if (script_output(cluster, "run.end") != "exit 0\n")
    throw std::runtime_error(command + " failed: " + script_output(cluster, "run.log"));
}

void wait_until(const std::string& what, const std::function<bool()>& so, Duration timeout) {
  const Instant until = runtime::now() + timeout;
  while (!so()) {
    if (runtime::now() >= until)
      throw std::runtime_error(fmt::format("waited {:.0f} s for {}", to_seconds(timeout), what));
    nap(milliseconds(30));
  }
}

}  // namespace aurum::tests
