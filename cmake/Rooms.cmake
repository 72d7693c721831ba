# A room is a folder of src/ and a static library. Only the rooms named in DEPS are on its include path, so an
# import upwards does not compile (docs/ARCHITECTURE.md, "The house").
#
#   aurum_room(NAME DEPS <rooms it may use> [LIBS <public libraries>] [PRIVATE_LIBS <libraries of its .cc files>]
#              [HEADERS <of the project, read by most of its files>] [TEST_HEADERS <by most of its tests>])
#
# Files under testing/ become <name>_testing, a library that only tests (of this room and of rooms that use it) link.
# *_test.cc beside the code become <name>_test; *_system_test.cc become <name>_system_test, which starts real
# servers and is left out of the sanitizer runs of unit tests. Those of rooms without the runtime, which know no threads,
# have the label pure besides.
function(aurum_room NAME)
  cmake_parse_arguments(ROOM "" "" "DEPS;LIBS;PRIVATE_LIBS;HEADERS;TEST_HEADERS" ${ARGN})
  set(dir ${CMAKE_SOURCE_DIR}/src/${NAME})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${dir}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  set(testing ${sources})
  list(FILTER sources EXCLUDE REGEX "/testing/")
  list(FILTER sources EXCLUDE REGEX "/mutants/")
  list(FILTER testing INCLUDE REGEX "/testing/")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER tests EXCLUDE REGEX "/mutants/")
  set(system_tests ${tests})
  list(FILTER tests EXCLUDE REGEX "_system_test\\.cc$")
  list(FILTER system_tests INCLUDE REGEX "_system_test\\.cc$")

  # build/<preset>/rooms/NAME/NAME -> src/NAME, so that "NAME/x.h" is found through this room only.
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/rooms/${NAME})
  file(CREATE_LINK ${dir} ${CMAKE_BINARY_DIR}/rooms/${NAME}/${NAME} SYMBOLIC)

  set(shell)
  if(NAME STREQUAL "runtime" OR "runtime" IN_LIST ROOM_DEPS)
    set(shell SHELL)
  endif()
  if(sources)
    add_library(${NAME} STATIC ${sources})
    set(scope PUBLIC)
    target_link_libraries(${NAME} PRIVATE ${ROOM_PRIVATE_LIBS} aurum_warnings)
  else()
    add_library(${NAME} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${NAME} ${scope} ${CMAKE_BINARY_DIR}/rooms/${NAME})
  target_link_libraries(${NAME} ${scope} ${ROOM_DEPS} ${ROOM_LIBS})
  if(sources)
    aurum_precompile(${NAME} ${shell} HEADERS ${ROOM_HEADERS})
  endif()

  if(testing)
    add_library(${NAME}_testing STATIC ${testing})
    target_link_libraries(${NAME}_testing PUBLIC ${NAME} PRIVATE aurum_warnings)
  endif()

  foreach(kind IN ITEMS tests system_tests)
    if(${kind})
      string(REGEX REPLACE "s$" "" suffix ${kind})
      set(target ${NAME}_${suffix})
      add_executable(${target} ${${kind}})
      target_link_libraries(${target} PRIVATE ${NAME} ${ROOM_PRIVATE_LIBS} aurum_warnings GTest::gtest
        GTest::gmock GTest::gtest_main)
      if(testing)
        target_link_libraries(${target} PRIVATE ${NAME}_testing)
      endif()
      aurum_precompile(${target} TESTS ${shell} HEADERS ${ROOM_HEADERS} ${ROOM_TEST_HEADERS})
      if(shell)
        aurum_quick_to_compile(${target})
      endif()
      add_test(NAME ${target} COMMAND ${target} --gtest_brief=1)
      if(kind STREQUAL "system_tests")
        set_tests_properties(${target} PROPERTIES LABELS system TIMEOUT 900)
      elseif(shell)
        set_tests_properties(${target} PROPERTIES LABELS unit TIMEOUT 600)
      else()
        set_tests_properties(${target} PROPERTIES LABELS "unit;pure" TIMEOUT 600)
      endif()
    endif()
  endforeach()
endfunction()
