# Writes OUTPUT, a C++ source with the text of each of FILES.
set(entries "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"crd(${text})crd\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"crds.h\"

namespace rookery::crds {

namespace {

constexpr File all[] = {
${entries}};

}  // namespace

std::span<const File> files() { return all; }

}  // namespace rookery::crds
")
