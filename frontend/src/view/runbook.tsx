/** A runbook: Markdown as the project writes it (headings, paragraphs, lists, code). */
import { useEffect } from "preact/hooks";
import { Empty } from "../shared";
import { useLoaded } from "./loading";
import { get } from "./sources";

export function RunbookPage({ name, section }: { name: string; section: string | null }) {
  const { value, error } = useLoaded(
    () => get<{ text: string }>(`api/runbooks/${encodeURIComponent(name)}`),
    [name],
  );
  useEffect(() => {
    if (value && section) document.getElementById(section)?.scrollIntoView();
  }, [value, section]);
  if (error) return <Empty>{error}</Empty>;
  if (!value) return <Empty>…</Empty>;
  return <article class="panel runbook">{blocks(value.text).map(block)}</article>;
}

function blocks(text: string): string[] {
  return text
    .replace(/<!--[\s\S]*?-->/g, "")
    .split(/(```[\s\S]*?```)|\n{2,}/)
    .filter((part): part is string => Boolean(part?.trim()));
}

function block(text: string, index: number) {
  const heading = /^(#{1,4}) (.+)$/m.exec(text.trim());
  if (heading && text.trim().startsWith("#")) {
    const title = heading[2] ?? "";
    const rest = text.trim().split("\n").slice(1).join("\n");
    const Level = heading[1]?.length === 1 ? "h2" : "h3";
    return (
      <div key={index}>
        <Level id={title}>{title}</Level>
        {rest && block(rest, 0)}
      </div>
    );
  }
  if (/^( {4}.*(\n|$))+$/.test(text.replace(/^\n+|\s+$/g, ""))) {
    return <pre key={index}>{text.replace(/^ {4}/gm, "").trim()}</pre>;
  }
  if (text.startsWith("```")) {
    return <pre key={index}>{text.replace(/^```\w*\n|```$/g, "")}</pre>;
  }
  const items = text.trim().split(/\n(?=\d+\. |- )/);
  if (/^(\d+\. |- )/.test(text.trim())) {
    const List = /^\d/.test(text.trim()) ? "ol" : "ul";
    return (
      <List key={index}>
        {items.map((item) => (
          <li key={item}>{inline(item.replace(/^(\d+\. |- )/, ""))}</li>
        ))}
      </List>
    );
  }
  return <p key={index}>{inline(text)}</p>;
}

/** Code between backticks; other marks are dropped. */
function inline(text: string) {
  return text
    .split(/(`[^`]+`)/)
    .map((part, index) =>
      part.startsWith("`") ? (
        <code key={index}>{part.slice(1, -1)}</code>
      ) : (
        part.replaceAll("**", "").replace(/\[([^\]]+)\]\([^)]+\)/g, "$1")
      ),
    );
}
