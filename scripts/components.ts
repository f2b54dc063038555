/**
 * What a released program contains besides our own code, as facts for NOTICES. The names and licenses of what is in
 * Bun are those of the license page that comes with bun-types (docs/project/license.mdx); a test compares the two,
 * so that a new Bun cannot bring a library in unnoticed. Copyright is given as each project states it.
 */

/** The names of the texts in scripts/licenses/. */
export type LicenseText = "Apache-2.0" | "BSD-2-Clause" | "BSD-3-Clause" | "LGPL-2.0" | "LGPL-2.1" | "MIT" | "Zlib";

export interface Component {
  readonly name: string;
  readonly source: string;
  /** The license under which it is used here, in SPDX's words where they exist. */
  readonly license: string;
  /** The texts of it that NOTICES has to contain. */
  readonly texts: readonly LicenseText[];
  readonly copyright: string;
}

const component = (
  name: string,
  source: string,
  license: string,
  copyright: string,
  texts: readonly LicenseText[] = [license as LicenseText],
): Component => ({ name, source, license, texts, copyright });

/** What Bun links statically, on any of the systems that we release for. */
export const LINKED_BY_BUN: readonly Component[] = [
  component(
    "WebKit",
    "https://github.com/oven-sh/WebKit",
    "LGPL-2.0-or-later (parts: BSD-2-Clause)",
    "Apple Inc., the KDE project and other contributors, as named in its files",
    ["LGPL-2.0", "BSD-2-Clause"],
  ),
  component(
    "boringssl",
    "https://boringssl.googlesource.com/boringssl/",
    "Apache-2.0 and others, see its LICENSE",
    "The OpenSSL Project Authors, Google LLC and others",
    ["Apache-2.0"],
  ),
  component("brotli", "https://github.com/google/brotli", "MIT", "2009, 2010, 2013-2016 by the Brotli Authors"),
  component(
    "libarchive",
    "https://github.com/libarchive/libarchive",
    "BSD-2-Clause (parts: BSD-3-Clause), see its COPYING",
    "2003-2018 Tim Kientzle and other authors; parts: The Regents of the University of California",
    ["BSD-2-Clause", "BSD-3-Clause"],
  ),
  component(
    "lol-html",
    "https://github.com/cloudflare/lol-html",
    "BSD-3-Clause",
    "2019 Cloudflare, Inc.; 2019 Ivan Nikulin",
  ),
  component(
    "ls-hpack",
    "https://github.com/litespeedtech/ls-hpack",
    "MIT (parts, xxHash: BSD-2-Clause)",
    "2018 LiteSpeed Technologies Inc; xxHash: 2012-2016 Yann Collet",
    ["MIT", "BSD-2-Clause"],
  ),
  component("ls-qpack", "https://github.com/litespeedtech/ls-qpack", "MIT", "2018-2021 LiteSpeed Technologies Inc"),
  component(
    "lsquic",
    "https://github.com/litespeedtech/lsquic",
    "MIT (parts, from Chromium: BSD-3-Clause)",
    "2017-2018 LiteSpeed Technologies Inc; parts: 2015 The Chromium Authors",
    ["MIT", "BSD-3-Clause"],
  ),
  component("mimalloc", "https://github.com/microsoft/mimalloc", "MIT", "2018-2025 Microsoft Corporation, Daan Leijen"),
  component(
    "picohttp",
    "https://github.com/h2o/picohttpparser",
    "MIT",
    "2009-2014 Kazuho Oku, Tokuhiro Matsuno, Daisuke Murase, Shigeo Mitsunari",
  ),
  component(
    "zstd",
    "https://github.com/facebook/zstd",
    "BSD-3-Clause",
    "2016-2022 Meta Platforms, Inc. and affiliates",
  ),
  component("simdutf", "https://github.com/simdutf/simdutf", "Apache-2.0", "2020 The simdutf authors"),
  component(
    "tinycc",
    "https://github.com/tinycc/tinycc",
    "LGPL-2.1-or-later",
    "2001-2004 Fabrice Bellard and other contributors",
    ["LGPL-2.1"],
  ),
  component("uSockets", "https://github.com/uNetworking/uSockets", "Apache-2.0", "Alex Hultman"),
  component("uWebsockets", "https://github.com/jarred-sumner/uwebsockets", "Apache-2.0", "Alex Hultman"),
  component("zlib-ng", "https://github.com/zlib-ng/zlib-ng", "Zlib", "1995-2025 Jean-loup Gailly and Mark Adler"),
  component(
    "c-ares",
    "https://github.com/c-ares/c-ares",
    "MIT",
    "1998 Massachusetts Institute of Technology; 2007-2023 Daniel Stenberg with many contributors",
  ),
  component(
    "libicu",
    "https://github.com/unicode-org/icu",
    "Unicode-3.0 and others, see its LICENSE (in the Linux programs; macOS has its own)",
    "2016-2025 Unicode, Inc.; 1995-2016 International Business Machines Corporation and others",
    [],
  ),
  component(
    "libbase64",
    "https://github.com/aklomp/base64",
    "BSD-2-Clause",
    "2005-2007 Nick Galbreath; 2015-2017 Wojciech Mula; 2016-2017 Matthieu Darbois; 2013-2022 Alfred Klomp",
  ),
  component("libdeflate", "https://github.com/ebiggers/libdeflate", "MIT", "2016 Eric Biggers; 2024 Google LLC"),
  component(
    "libjpeg-turbo",
    "https://github.com/libjpeg-turbo/libjpeg-turbo",
    "IJG, BSD-3-Clause and Zlib",
    "1991-2020 Thomas G. Lane, Guido Vollbeding; 2009-2025 D. R. Commander and others. This software is based in part " +
      "on the work of the Independent JPEG Group.",
    ["BSD-3-Clause", "Zlib"],
  ),
  component(
    "libspng",
    "https://github.com/randy408/libspng",
    "BSD-2-Clause (parts, from libpng: libpng-2.0)",
    "2018-2021 Randy; parts: 1995-2019 The PNG Reference Library Authors",
    ["BSD-2-Clause"],
  ),
  component("libwebp", "https://github.com/webmproject/libwebp", "BSD-3-Clause", "2010 Google Inc."),
  component("highway", "https://github.com/google/highway", "Apache-2.0", "Google LLC"),
  component(
    "HdrHistogram_c",
    "https://github.com/HdrHistogram/HdrHistogram_c",
    "BSD-2-Clause",
    "2012-2014 Gil Tene; 2014 Michael Barker; 2014 Matt Warren; 2015 Philip Orwig",
  ),
  component(
    "sqlite",
    "https://sqlite.org",
    "public domain (in the Linux programs; macOS has its own)",
    "none claimed",
    [],
  ),
];

/** What Bun's own code is a translation of, or derived from. */
export const ORIGINS_OF_BUN: readonly Component[] = [
  component("esbuild", "https://github.com/evanw/esbuild", "MIT", "2020 Evan Wallace"),
  component(
    "Lightning CSS",
    "https://github.com/parcel-bundler/lightningcss",
    "MPL-2.0",
    "Devon Govett and contributors",
    [],
  ),
  component("Servo", "https://github.com/servo/servo", "MPL-2.0", "The Servo Project Developers", []),
];

/** JavaScript packages embedded in Bun, all of them MIT. */
export const EMBEDDED_IN_BUN: readonly string[] = [
  "acorn",
  "acorn-walk",
  "assert",
  "browserify-zlib",
  "buffer",
  "constants-browserify",
  "crypto-browserify",
  "domain-browser",
  "events",
  "https-browserify",
  "os-browserify",
  "path-browserify",
  "process",
  "punycode",
  "querystring-es3",
  "stream-browserify",
  "stream-http",
  "string_decoder",
  "timers-browserify",
  "tty-browserify",
  "url",
  "util",
  "vm-browserify",
];

/** Listed by Bun's license page, but for Windows alone, where we release nothing. */
export const ON_WINDOWS_ONLY: readonly string[] = ["libuv", "Tigerbeetle's IO code"];
