# Writes OUTPUT, a C++ source with the text of each of FILES, and with the libraries below MODULES, if any. Browsers
# know no names of packages: where a library names another, it gets that one's file instead.
set(types_html "text/html; charset=utf-8")
set(types_css "text/css; charset=utf-8")
set(types_js "text/javascript; charset=utf-8")
set(types_svg "image/svg+xml")
set(types_txt "text/plain; charset=utf-8")

set(names "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  list(APPEND names ${name})
  file(READ ${file} text_${name})
endforeach()
if(MODULES)
  file(READ ${MODULES}/preact/dist/preact.mjs text_preact.js)
  file(READ ${MODULES}/preact/hooks/dist/hooks.mjs text_hooks.js)
  file(READ ${MODULES}/htm/dist/htm.module.js text_htm.js)
  # Who gives the program on gives these on with it.
  file(READ ${MODULES}/preact/LICENSE preact_license)
  file(READ ${MODULES}/htm/LICENSE htm_license)
  set(text_licenses.txt "The page brings Preact (preact.js, hooks.js) and htm (htm.js) with it.\n\nPreact\n\n${preact_license}\n\nhtm\n\n${htm_license}\n")
  list(APPEND names preact.js hooks.js htm.js licenses.txt)
  string(REPLACE "from\"preact\"" "from\"./preact.js\"" text_hooks.js "${text_hooks.js}")
endif()
list(SORT names)

set(all "")
foreach(name ${names})
  string(REGEX REPLACE "\n?//# sourceMappingURL=[^\n]*" "" text_${name} "${text_${name}}")
  string(APPEND all "${name}\n${text_${name}}\n")
endforeach()
string(SHA256 version "${all}")
string(SUBSTRING "${version}" 0 16 version)

set(entries "")
list(REMOVE_ITEM names style.css)
foreach(name ${names})
  get_filename_component(extension ${name} LAST_EXT)
  string(SUBSTRING ${extension} 1 -1 extension)
  string(REPLACE "@VERSION@" "${version}" text "${text_${name}}")
  # The style comes with the document: one question less until something is seen.
  string(REPLACE "/*@STYLE@*/" "${text_style.css}" text "${text}")
  string(APPEND entries "    {\"${name}\", \"${types_${extension}}\", R\"~web~(${text})~web~\"},\n")
endforeach()

set(array "")
set(span "{}")
if(entries)
  set(array "namespace {\n\nconstexpr File all[] = {\n${entries}};\n\n}  // namespace\n\n")
  set(span "all")
endif()
file(WRITE ${OUTPUT} "#include \"web/assets.h\"

namespace rookery::web {

${array}std::span<const File> files() { return ${span}; }

std::string_view version() { return \"${version}\"; }

}  // namespace rookery::web
")
