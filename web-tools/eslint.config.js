/** The rules for the scripts of the page. */
import js from "@eslint/js";

/** What a browser gives to a module; anything else has to be imported. */
const BROWSER = [
  "AbortController", "Blob", "CSS", "CustomEvent", "DOMException", "Element", "Event", "FormData", "HTMLElement",
  "Headers", "Image", "IntersectionObserver", "Intl", "PerformanceResourceTiming", "ResizeObserver", "URL",
  "URLSearchParams", "XMLHttpRequest", "addEventListener", "clearInterval", "clearTimeout", "console", "crypto",
  "dispatchEvent", "document", "fetch", "getSelection", "history", "indexedDB", "localStorage", "location",
  "matchMedia", "navigator", "performance", "requestAnimationFrame", "sessionStorage", "setInterval", "setTimeout",
  "window",
];

export default [
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: {
      ecmaVersion: 2022, sourceType: "module", globals: Object.fromEntries(BROWSER.map((name) => [name, "readonly"])),
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    // tsc checks that a function returns the same kind of thing everywhere (noImplicitReturns): it knows types.
    rules: {
      "array-callback-return": "error",
      "consistent-return": "error",
      "eqeqeq": ["error", "always", { null: "ignore" }],
      "max-len": ["error", { code: 120 }],
      "max-lines": ["error", { max: 310, skipBlankLines: true, skipComments: true }],
      "max-lines-per-function": ["error", 60],
      "no-implicit-coercion": "error",
      "no-param-reassign": "error",
      "no-shadow": "error",
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-var": "error",
      "prefer-const": "error",
      "prefer-template": "error",
      "object-shorthand": "error",
      "no-throw-literal": "error",
    },
  },
];
