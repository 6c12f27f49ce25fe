/** What the console and the viewer share. */
export * from "./format";
export * from "./layout";
export * from "./log_list";
export * from "./router";
export * from "./stat";
export * from "./table";
export * from "./theme";
export * from "./time_series";
export * from "./waterfall";
