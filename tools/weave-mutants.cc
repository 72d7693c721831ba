// Weaves the mutants of src/sim/mutants/*.txt into a copy of the core, at build time.
//
//   weave-mutants MUTANTS IN.cc OUT.cc     a copy in which every place of a mutant asks which
//                                          variant is chosen; line numbers stay as they are
//   weave-mutants MUTANTS --list OUT.cc    the list, as a source for mutants.h
//   weave-mutants MUTANTS --check DIR      every file that a mutant names is in DIR
//
// A text that is not found exactly once, in any mutant, ends the build with the mutant's name.
// Blanks and line ends count as one blank, so that reformatting the core changes nothing here.

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Place {
  std::string file;
  std::string original;
  std::string replacement;
};
struct Mutant {
  std::string name, breaks, profile, faults, seeds, scenario;
  std::vector<Place> places;
};

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "weave-mutants: " << what << "\n";
  std::exit(1);
}

std::string read(const std::string& path) {
  std::ifstream in(path);
  if (!in) fail("can not read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& path, const std::string& text) {
  if (std::filesystem::exists(path) && read(path) == text) return;
  std::ofstream out(path);
  out << text;
  if (!out.flush()) fail("can not write " + path);
}

/// "key rest of the line"; false for another key.
bool field(const std::string& line, const std::string& key, std::string& value) {
  if (line.compare(0, key.size() + 1, key + " ") != 0) return false;
  value = line.substr(key.size() + 1);
  return true;
}

void read_line(const std::string& line, std::vector<Mutant>& mutants) {
  std::string value;
  if (line.empty() || line.front() == '#') return;
  if (field(line, "mutant", value)) {
    mutants.push_back({.name = value});
    return;
  }
  if (mutants.empty()) fail("the list does not begin with a mutant: " + line);
  Mutant& m = mutants.back();
  if (field(line, "breaks", m.breaks) || field(line, "profile", m.profile) ||
      field(line, "faults", m.faults) || field(line, "seeds", m.seeds) ||
      field(line, "scenario", m.scenario))
    return;
  if (field(line, "in", value)) {
    m.places.push_back({.file = value});
    return;
  }
  if (m.places.empty()) fail(m.name + ": no file is named before: " + line);
  Place& place = m.places.back();
  // "-" and "+" alone are empty lines; several of them are one text.
  if (line.front() == '-')
    place.original += line.substr(1) + " ";
  else if (line.front() == '+')
    place.replacement += line.substr(1) + " ";
  else
    fail(m.name + ": can not read: " + line);
}

std::vector<Mutant> read_mutants(const std::string& path) {
  std::vector<Mutant> mutants;
  std::istringstream lines(read(path));
  for (std::string line; std::getline(lines, line);) read_line(line, mutants);
  for (const Mutant& m : mutants) {
    const auto same = [&](const Mutant& other) { return other.name == m.name; };
    if (std::count_if(mutants.begin(), mutants.end(), same) != 1) fail(m.name + " is there twice");
    const bool by_seeds = !m.profile.empty() && !m.faults.empty() && !m.seeds.empty();
    if (m.breaks.empty() || by_seeds == !m.scenario.empty())
      fail(m.name + " needs breaks, and either profile, faults and seeds, or a scenario");
    if (m.places.empty()) fail(m.name + " changes nothing");
  }
  return mutants;
}

/// A text without the differences that a formatter makes, and where each character was.
struct Flat {
  std::string text;
  std::vector<std::size_t> at;
};

Flat flatten(const std::string& source) {
  Flat flat;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const bool blank = std::isspace(static_cast<unsigned char>(source[i])) != 0;
    if (blank && (flat.text.empty() || flat.text.back() == ' ')) continue;
    flat.text += blank ? ' ' : source[i];
    flat.at.push_back(i);
  }
  return flat;
}

std::string trimmed(std::string text) {
  text = flatten(text).text;
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

/// What stands between `begin` and `end`, and what the mutants say instead.
struct Woven {
  std::size_t begin = 0, end = 0;
  std::vector<std::pair<std::size_t, std::string>> variants;  ///< index of the mutant, its text
  bool statement = false;
};

std::vector<Woven> find_places(const std::vector<Mutant>& mutants, const std::string& file,
                               const std::string& source) {
  const Flat flat = flatten(source);
  std::vector<Woven> found;
  for (std::size_t m = 0; m < mutants.size(); ++m) {
    for (const Place& place : mutants[m].places) {
      if (place.file != file) continue;
      const std::string original = trimmed(place.original);
      const auto at = original.empty() ? std::string::npos : flat.text.find(original);
      if (at == std::string::npos || flat.text.find(original, at + 1) != std::string::npos) {
        fail(mutants[m].name + ": this is not exactly once in " + file + ": " + original);
      }
      Woven w{.begin = flat.at[at], .end = flat.at[at + original.size() - 1] + 1};
      const bool block = original.back() == '}' && original.find(';') != std::string::npos;
      w.statement = block || original.back() == ';';
      w.variants.emplace_back(m, trimmed(place.replacement));
      const auto same = std::find_if(found.begin(), found.end(), [&](const Woven& o) {
        return o.begin == w.begin && o.end == w.end;
      });
      if (same != found.end())
        same->variants.push_back(w.variants.front());
      else
        found.push_back(w);
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Woven& a, const Woven& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < found.size(); ++i) {
    if (found[i].begin < found[i - 1].end)
      fail(mutants[found[i].variants.front().first].name + ": overlaps with " +
           mutants[found[i - 1].variants.front().first].name + " in " + file);
  }
  return found;
}

std::string weave(const std::vector<Mutant>& mutants, const std::string& file,
                  const std::string& path, const std::string& source) {
  std::string out = "#include \"sim/mutants/mutants.h\"\n#line 1 \"" + path + "\"\n";
  std::size_t done = 0;
  for (const Woven& w : find_places(mutants, file, source)) {
    out += source.substr(done, w.begin - done);
    std::string tail;
    for (const auto& [mutant, text] : w.variants) {
      const std::string asked = "::aurum::mutants::chosen == " + std::to_string(mutant);
      out += w.statement ? "if (" + asked + ") { " + text + " } else { "
                         : "((" + asked + ") ? (" + text + ") : ";
      tail += w.statement ? " }" : ")";
    }
    const std::string original = source.substr(w.begin, w.end - w.begin);
    out += (w.statement ? original : "(" + original + ")") + tail;
    done = w.end;
  }
  return out + source.substr(done);
}

std::string listed(const std::vector<Mutant>& mutants) {
  std::string out =
      "#include \"sim/mutants/mutants.h\"\n\nnamespace aurum::sim {\n\n"
      "const std::vector<Mutant>& all_mutants() {\n  static const std::vector<Mutant> all = {\n";
  for (const Mutant& m : mutants) {
    out += "      {R\"(" + m.name + ")\", R\"(" + m.breaks + ")\", R\"(" + m.profile + ")\", R\"(" +
           m.faults + ")\", " + (m.seeds.empty() ? "0" : m.seeds) + ", R\"(" + m.scenario +
           ")\"},\n";
  }
  return out + "  };\n  return all;\n}\n\n}  // namespace aurum::sim\n";
}

void check_files(const std::vector<Mutant>& mutants, const std::filesystem::path& folder) {
  for (const Mutant& m : mutants) {
    for (const Place& place : m.places) {
      if (!std::filesystem::exists(folder / place.file) || !place.file.ends_with(".cc"))
        fail(m.name + ": " + place.file + " is no source of " + folder.string());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) fail("MUTANTS IN.cc OUT.cc | MUTANTS --list OUT.cc | MUTANTS --check DIR");
  const std::vector<Mutant> mutants = read_mutants(argv[1]);
  const std::string what = argv[2];
  if (what == "--list")
    write(argv[3], listed(mutants));
  else if (what == "--check")
    check_files(mutants, argv[3]);
  else
    write(argv[3],
          weave(mutants, std::filesystem::path(what).filename().string(), what, read(what)));
  return 0;
}
