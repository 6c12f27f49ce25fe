/** The console of one app. */
import { render } from "preact";
import { Empty, initTheme, Layout, useRoute } from "../shared";

const PAGES = [{ path: "", title: "Overview" }];

function App() {
  const { path } = useRoute();
  return (
    <Layout title="etter-obs console" pages={PAGES} current={path}>
      <Empty>The console is not here yet.</Empty>
    </Layout>
  );
}

initTheme();
const root = document.getElementById("app");
if (root) render(<App />, root);
