# Build rules shared by the rooms: warnings, sanitizers, and one static library per layer.

add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wno-unused-parameter
                    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>)
# Of {0} and of values in braces within others GCC does not say that more fields could be given.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  add_compile_options(-Wno-missing-field-initializers)
endif()
if(FARFLUNG_WERROR)
  add_compile_options(-Werror)
endif()
add_compile_definitions(_GNU_SOURCE FARFLUNG_VERSION="${PROJECT_VERSION}" XXH_INLINE_ALL)

if(FARFLUNG_FUZZ)
  # Everything is instrumented; only the fuzzers themselves get libFuzzer's main().
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "FARFLUNG_FUZZ needs clang: CC=clang cmake -DFARFLUNG_FUZZ=ON …")
  endif()
  set(FARFLUNG_SANITIZE fuzzer-no-link,address,undefined)
endif()
if(FARFLUNG_SANITIZE)
  add_compile_options(-fsanitize=${FARFLUNG_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${FARFLUNG_SANITIZE})
endif()

# ff_layer(NAME DEPENDS layer… [EXCLUDE file…] [DEFINES …]): every .c file of the current folder is
# one layer. Includes are written from the parent folder: "base/buf.h", "event/event.h".
function(ff_layer name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  foreach(file ${ARG_EXCLUDE})
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
  if(sources)
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/..)
    target_link_libraries(${name} PUBLIC ${ARG_DEPENDS})
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${CMAKE_CURRENT_SOURCE_DIR}/..)
    target_link_libraries(${name} INTERFACE ${ARG_DEPENDS})
  endif()
endfunction()

# ff_embed(TARGET SYMBOL FILE): links FILE's bytes into TARGET as `const unsigned char SYMBOL[]`
# and `const size_t SYMBOL_len`. FILE may be a build product.
function(ff_embed target symbol file)
  set(asm ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.S)
  file(CONFIGURE OUTPUT ${asm} CONTENT [[
	.section .rodata
	.balign 16
	.global @symbol@
	.type @symbol@, %object
@symbol@:
	.incbin "@file@"
1:
	.size @symbol@, 1b - @symbol@
	.byte 0
	.balign 8
	.global @symbol@_len
	.type @symbol@_len, %object
@symbol@_len:
	.quad 1b - @symbol@
	.size @symbol@_len, 8
	.section .note.GNU-stack,"",%progbits
]] @ONLY)
  set_source_files_properties(${asm} PROPERTIES OBJECT_DEPENDS ${file})
  target_sources(${target} PRIVATE ${asm})
endfunction()

# ff_unit_tests(LAYER LINK layer… [FOR pattern layer…]): each tests/unit/<layer>/test_*.c is one
# cmocka program and one CTest entry. Those whose name matches a pattern are linked with its layer
# only.
function(ff_unit_tests folder)
  cmake_parse_arguments(ARG "" "" "LINK;FOR" ${ARGN})
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/test_*.c)
  foreach(test ${tests})
    get_filename_component(stem ${test} NAME_WE)
    set(target unit_${folder}_${stem})
    add_executable(${target} ${test})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    set(layers ${ARG_LINK})
    set(pairs ${ARG_FOR})
    while(pairs)
      list(POP_FRONT pairs pattern layer)
      if(stem MATCHES "${pattern}")
        set(layers ${layer})
      endif()
    endwhile()
    target_link_libraries(${target} PRIVATE ${layers} PkgConfig::CMOCKA)
    add_test(NAME unit/${folder}/${stem} COMMAND ${target})
    set_tests_properties(unit/${folder}/${stem} PROPERTIES TIMEOUT 300 LABELS unit)
  endforeach()
endfunction()
