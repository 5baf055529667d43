#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"

/// Objects as a meta.k8s.io Table, of which kubectl prints the cells: for the custom kinds as kube-apiserver
/// makes it of the CRD's printer columns, for Events and Secrets with its built-in columns
/// (k8s.io/kubernetes/pkg/printers/internalversion).
namespace rookery::serve {

/// What each row has in `object`.
enum class IncludeObject { None, Metadata, Object };

/// The parameter includeObject; nothing given is Metadata. Error: UsageError, in the words of kube-apiserver.
Result<IncludeObject> parseIncludeObject(std::string_view text);

/// A column, and how its cell is made of an object (JSON, as the API serves it).
struct TableColumn {
  std::string name;    // "Last Seen"
  std::string type;    // string, integer, number, boolean or date
  std::string format;  // "name" for the column that kubectl -o name prints; else empty
  std::string description;
  int priority = 0;  // > 0: only with -o wide
  nlohmann::json (*cell)(const nlohmann::json& object, const api::Column& column, api::SystemTime now);
  api::Column source = {};  // of a printer column
};

using TableColumns = std::vector<TableColumn>;

/// Those of a custom kind: Name first, then the printer columns. They live as long as the program, as those
/// of the other kinds do.
const TableColumns& columnsOf(api::Kind kind);
const TableColumns& eventColumns();
const TableColumns& namespaceColumns();
const TableColumns& usageColumns();
const TableColumns& planColumns();

struct TableOptions {
  std::string_view version = "v1";  // of meta.k8s.io: v1 or v1beta1
  IncludeObject includeObject = IncludeObject::Metadata;
  bool headers = true;  // false: no columnDefinitions, as in a watch behind its first event
};

/// The metadata of a list, or the resourceVersion of a single object.
struct ListMeta {
  std::string resourceVersion = {};
  std::string continueToken = {};  // empty: the list is complete
  std::optional<std::int64_t> remainingItemCount = {};
};

/// One row. Dates are ages at `now`. `object` may be of any shape: what it lacks is null, or "<unknown>"
/// where kube-apiserver says so.
nlohmann::json tableRow(const TableColumns& columns, const nlohmann::json& object,
                        const TableOptions& options, api::SystemTime now);

/// All but the rows: `"rows": []`. So a long list need not stand in memory as a tree.
nlohmann::json tableWithoutRows(const TableColumns& columns, const ListMeta& meta,
                                const TableOptions& options);

/// The table of an array of objects.
nlohmann::json toTable(const TableColumns& columns, const nlohmann::json& objects, const ListMeta& meta,
                       const TableOptions& options, api::SystemTime now);

/// An object's kind, name and further metadata without the rest: what `as=PartialObjectMetadata` asks for.
/// `version`: of meta.k8s.io.
nlohmann::json partialObjectMetadata(const nlohmann::json& object, std::string_view version);

}  // namespace rookery::serve
