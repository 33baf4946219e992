// Draws the description of the API with Swagger UI, in the colours that the reader prefers.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// What the library leaves out for those who do not see the page: a heading between the first and the third, and a label.
const readable = ({ React: { createElement, Fragment } }) => ({
  wrapComponents: {
    operations: (Operations) => (props) =>
      createElement(Fragment, null, createElement("h2", { className: "wrapper" }, "Routes"), createElement(Operations, props)),
    TextArea: (TextArea) => (props) => createElement(TextArea, { ...props, "aria-label": "Body of the request" }),
  },
});

SwaggerUIBundle({
  url: "../../openapi.json",
  dom_id: "#description",
  plugins: [readable],
  tryItOutEnabled: true,
  displayRequestDuration: true,
  // Its colours cannot be read by all.
  syntaxHighlight: false,
  // By default a server on the internet is asked whether the description is valid.
  validatorUrl: "none",
});
