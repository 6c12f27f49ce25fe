/** What a dashboard's JSON holds, as far as it is drawn here. */

export interface Dashboard {
  uid: string;
  title: string;
  description: string;
  panels: PanelModel[];
  templating: { list: VariableModel[] };
  annotations: { list: AnnotationModel[] };
  time: { from: string; to: string };
  refresh: string;
}

export interface PanelModel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  collapsed?: boolean;
  panels?: PanelModel[];
  datasource?: { type: string };
  targets?: Target[];
  links?: LinkModel[];
  timeFrom?: string;
  fieldConfig: {
    defaults: FieldModel;
    overrides: { matcher: { id: string; options: string }; properties: Property[] }[];
  };
  transformations?: { id: string; options: Organize }[];
  options: {
    graphMode?: string;
    sortBy?: { displayName: string; desc: boolean }[];
  };
}

export interface Target {
  refId: string;
  datasource?: { type: string };
  expr?: string;
  query?: string;
  legendFormat?: string;
  instant?: boolean;
  exemplar?: boolean;
  limit?: number;
  maxLines?: number;
}

export interface LinkModel {
  title: string;
  url: string;
}

export interface FieldModel {
  unit?: string;
  decimals?: number;
  min?: number;
  max?: number;
  links?: LinkModel[];
  color?: { mode: string; fixedColor?: string };
  thresholds?: { steps: Step[] };
  mappings?: { options: Record<string, { text: string; color: string }> }[];
  custom?: {
    fillOpacity?: number;
    stacking?: { mode: string };
    thresholdsStyle?: { mode: string };
  };
}

export interface Step {
  color: string;
  value: number | null;
}

interface Property {
  id: string;
  value: unknown;
}

interface Organize {
  indexByName?: Record<string, number>;
  renameByName?: Record<string, string>;
}

export interface VariableModel {
  name: string;
  label?: string;
  type: string;
  query: string;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string;
  current?: { value: string | string[] };
}

export interface AnnotationModel {
  name: string;
  expr?: string;
  iconColor: string;
  titleFormat?: string;
  textFormat?: string;
  useValueForTime?: boolean;
}

/** What the overrides say of one field, by the name that it is shown under or by its query. */
export function overridden(panel: PanelModel, name: string, refId?: string): FieldModel {
  const field: Record<string, unknown> = {};
  for (const { matcher, properties } of panel.fieldConfig.overrides) {
    const matches =
      (matcher.id === "byName" && matcher.options === name) ||
      (matcher.id === "byFrameRefID" && matcher.options === refId);
    if (matches) for (const { id, value } of properties) field[id] = value;
  }
  return field as FieldModel;
}

/** Return the colour of the threshold step that a value falls into. */
export function stepColour(value: number | null, steps: Step[] | undefined): string | undefined {
  if (value === null || !steps?.length) return undefined;
  return steps.findLast((step) => step.value === null || value >= step.value)?.color;
}
