#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

/// The known keys of patroni.yml and of the dynamic configuration as data, and the checks made from
/// them.
namespace aurum::model {

enum class Kind {
  text,    ///< a scalar; booleans are refused, since an unquoted `on` is hardly ever meant
  word,    ///< text or boolean (`off` is a word here)
  secret,  ///< text that must not be printed; has a sibling `<key>_file`
  boolean,
  integer,
  seconds,  ///< integer or text with a unit
  bytes,    ///< the same for sizes
  list,
  text_list,  ///< a list of scalars, or one text with commas
  map,        ///< free keys below
  any,        ///< checked by nobody here
};

struct Key {
  std::string_view path;  ///< dotted
  Kind kind;
};

std::span<const Key> local_keys();       ///< patroni.yml (§3.2) with our `aurum` section
std::span<const Key> dynamic_keys();     ///< the `config` key of the store (§3.4)
std::span<const Key> repository_keys();  ///< one of aurum.backup.repositories
std::span<const Key> access_keys();      ///< one of aurum.access
const Key* find_key(std::span<const Key> keys, std::string_view path);

/// Collects findings; `source` ("patroni.yml") is named in each, `prefix` is put before each path.
class Findings {
 public:
  Findings(std::vector<Finding>& out, std::string source, std::string prefix = {})
      : out_(out), source_(std::move(source)), prefix_(std::move(prefix)) {}
  /// The same collection for a subtree.
  Findings below(std::string_view prefix) { return {out_, source_, prefix_ + std::string(prefix)}; }
  void error(std::string_view path, std::string message, std::string hint = {});
  void warning(std::string_view path, std::string message, std::string hint = {});

 private:
  void add(Finding::Level level, std::string_view path, std::string message, std::string hint);
  std::vector<Finding>& out_;
  std::string source_, prefix_;
};

/// Walks a dotted path; nullptr when absent or null.
const Value* value_at(const Value& tree, std::string_view path);

/// Reads keys of a tree by dotted path; what is absent or ill-typed reads as the given default.
class Reader {
 public:
  explicit Reader(const Value& tree) : tree_(tree) {}
  std::string text(std::string_view path, std::string_view otherwise = {}) const;
  bool boolean(std::string_view path, bool otherwise) const;
  std::optional<bool> maybe(std::string_view path) const;
  std::int64_t integer(std::string_view path, std::int64_t otherwise) const;
  std::int64_t seconds(std::string_view path, std::int64_t otherwise) const;
  std::int64_t bytes(std::string_view path, std::int64_t otherwise) const;
  Value value(std::string_view path) const;  ///< null when absent
  const Value* find(std::string_view path) const { return value_at(tree_, path); }

 private:
  const Value& tree_;
};

/// What an unknown key is. Sections of our own are strict: nobody's old file has them.
enum class Unknown { warning_but_for_aurum, error };
/// One of a few words, the first is the default; another one is an error that lists them.
std::string word(const Reader& reader, std::string_view path,
                 std::initializer_list<std::string_view> words, Findings& findings);
/// An integer, or a number of seconds, within bounds; otherwise an error.
int bounded(const Reader& reader, std::string_view path, int otherwise, int min, int max,
            bool seconds, Findings& findings);

/// Types of all known keys (errors), and unknown keys: errors below `aurum`, else warnings; both
/// name the nearest known key. `free_keys` are paths whose content is not looked at (methods that
/// the file itself names).
void check_keys(const Value& tree, std::span<const Key> keys,
                const std::vector<std::string>& free_keys, Findings& findings,
                Unknown unknown = Unknown::warning_but_for_aurum);
/// The ill-typed values only, as warnings: a bad value in the store must not stop a cluster.
void check_types(const Value& tree, std::span<const Key> keys, Findings& findings);

/// The candidate with the smallest edit distance to `word`, or "" if none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

/// Sets along a dotted path, making maps as needed; what is no map on the way is replaced.
void set_at(Value& tree, std::string_view path, Value value);

}  // namespace aurum::model
