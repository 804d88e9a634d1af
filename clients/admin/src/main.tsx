import "@fontsource-variable/inter/wght.css";
import "../../examples/shared/style.css";
import "./look/base.css";
import "./look/frame.css";
import "./look/controls.css";
import "./look/gate.css";
import "./look/tables.css";
import "./look/over.css";
import "./look/charts.css";
import "./look/document.css";
import "./look/versions.css";
import "./look/phone.css";
import { render } from "preact";
import { App } from "./app.tsx";

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no root");
render(<App />, root);
