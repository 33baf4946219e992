// A dashboard's file by Grafana's own schema, down to the options of each kind of panel. dashboards.mjs has the compiler
// compare every file with this type. What data sources add to the schema (the queries of Prometheus and Loki) is named here.

import type { AnnotationQuery, Dashboard, DataQuery, FieldConfig, Panel, RowPanel, VariableModel } from "@grafana/schema";
import type { GraphFieldConfig, TableFieldOptions } from "@grafana/schema";
import type { Options as BarGauge } from "@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen";
import type {
  FieldConfig as HeatmapField,
  Options as Heatmap,
} from "@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen";
import type { Options as Logs } from "@grafana/schema/dist/types/raw/composable/logs/panelcfg/x/types.gen";
import type { Options as Stat } from "@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen";
import type { Options as Table } from "@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen";
import type { Options as TimeSeries } from "@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen";

/** A type as JSON writes it: the members of an enumeration are their values. */
type Json<T> = unknown extends T ? T
  : T extends string ? `${T}`
  : T extends number ? T | (`${T}` extends `${infer N extends number}` ? N : never)
  : T extends object ? { [Member in keyof T]: Json<T[Member]> }
  : T;

/** A panel may leave out any option, and then has Grafana's own. */
type Sparse<T> = T extends (infer Item)[] ? Sparse<Item>[] : T extends object ? { [Member in keyof T]?: Sparse<T[Member]> } : T;

type Prometheus = Json<DataQuery> & {
  editorMode: "code";
  expr: string;
  format: "time_series" | "table" | "heatmap";
  instant: boolean;
  legendFormat: string;
  range: boolean;
};
type Loki = Json<DataQuery> & { editorMode: "code"; expr: string; queryType: "range" };

type Of<Kind extends string, Options, Custom = Record<string, never>, Query = Prometheus> =
  & Omit<Json<Panel>, "type" | "options" | "fieldConfig" | "targets">
  & {
    type: Kind;
    options: Sparse<Json<Options>>;
    targets: Query[];
    fieldConfig: {
      defaults: Omit<Json<FieldConfig>, "custom"> & { custom?: Sparse<Json<Custom>> };
      overrides: { matcher: { id: string; options: string }; properties: { id: string; value: unknown }[] }[];
    };
  };

type AnyPanel =
  | Of<"timeseries", TimeSeries, GraphFieldConfig>
  | Of<"stat", Stat>
  | Of<"bargauge", BarGauge>
  | Of<"heatmap", Heatmap, HeatmapField>
  | Of<"table", Table, TableFieldOptions>
  | Of<"logs", Logs, Record<string, never>, Loki>;

type Mark = Json<AnnotationQuery> & {
  expr?: string;
  step?: string;
  titleFormat?: string;
  textFormat?: string;
  tagKeys?: string;
  useValueForTime?: boolean;
};

export type DashboardFile = Omit<Json<Dashboard>, "panels" | "annotations" | "templating"> & {
  annotations: { list: Mark[] };
  templating: { list: (Json<VariableModel> & { definition?: string })[] };
  panels: (AnyPanel | (Omit<Json<RowPanel>, "panels"> & { panels: AnyPanel[] }))[];
};
