// What the API serves, as far as the page reads it. Of what others wrote, anything may be missing.
export interface Metadata {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}
export interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
  lastTransitionTime: string;
}
export interface Use {
  unikernels?: number;
  memory?: string;
  blockStorage?: string;
}
export interface LastAction {
  verb?: string;
  time?: string;
  bytes?: number;
  duration?: string;
}
/** How a unikernel with a placement stands on one instance. */
export interface Placement {
  instance: string;
  ready: string;
  reason?: string;
  message?: string;
  reconciling?: boolean;
  stalled?: boolean;
  updated?: boolean;
  observedGeneration?: number;
  digest?: string;
  startedAt?: string;
  restarts?: number;
  history?: string[];
}
export interface Rollout {
  revision?: string;
  replicas?: number;
  updated?: number;
  ready?: number;
}
export interface Status {
  conditions?: Condition[];
  observedGeneration?: number;
  instance?: string;
  digest?: string;
  startedAt?: string;
  restarts?: number;
  lastAction?: LastAction;
  history?: string[];
  used?: Use;
  capacity?: Use;
  version?: string;
  placements?: Placement[];
  rollout?: Rollout;
  sources?: { root: string; lastAttemptedRevision?: string; lastAppliedRevision?: string }[];
}
export interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}
export interface Device {
  name: string;
  bridge?: string;
  mac?: string;
  volumeName?: string;
  sectorSize?: number;
}
export interface Spec {
  instance?: string;
  instanceSelector?: Selector;
  placement?: { instanceSelector?: Selector; replicas?: number | string };
  argumentsByInstance?: Record<string, string[]>;
  endpoint?: string;
  rootNamespace?: string;
  allowedNamespaces?: string[];
  observe?: boolean;
  image?: { path?: string; url?: string; sha256?: string };
  memory?: string;
  unikernels?: number;
  blockStorage?: string;
  bridges?: string[];
  cpuIDs?: number[];
  networkInterfaces?: Device[];
  blockDevices?: Device[];
  arguments?: string[];
  failBehaviour?: { restart?: boolean; exitCodes?: number[] };
  suspend?: boolean;
  size?: string;
  [field: string]: unknown;
}
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
  spec: Spec;
  status?: Status;
}
export interface Usage {
  metadata: Metadata;
  timestamp: string;
  instance: string;
  usage: { cpu?: string; memory?: string };
  memoryLimit?: string;
  networkInterfaces?: { name: string; receivedBytes: number; sentBytes: number }[];
}
/** Where an object is declared. */
export interface Source {
  file?: string;
  line?: number;
  writable: boolean;
}
export interface PlannedField {
  path: string;
  old: unknown;
  new: unknown;
}
export interface PlannedChange {
  kind: string;
  namespace: string;
  name: string;
  instance: string;
  verb: string;
  reason: string;
  message: string;
  notBefore?: string;
  waits?: boolean;
  fields: PlannedField[];
}
export interface PlannedRemoval {
  kind: string;
  namespace: string;
  name: string;
  message?: string;
  set?: string;
}
export interface Plan {
  metadata: Metadata;
  observedAt?: string;
  server?: { version: string };
  changes: PlannedChange[];
  changesLeftOut?: number;
  notPruned?: PlannedRemoval[];
  withheld?: PlannedRemoval[];
  errors: { object: string; message: string }[];
  errorsLeftOut?: number;
}
export interface KubeEvent {
  metadata: Metadata;
  type: string;
  reason: string;
  message: string;
  count?: number;
  firstTimestamp?: string;
  lastTimestamp?: string;
}
export interface Attributes {
  verb: string;
  resource: string;
  group?: string;
  subresource?: string;
  namespace?: string;
  name?: string;
}
export interface Verdict {
  allowed: boolean;
  reason?: string;
}
export type Tone = 'bad' | 'warn' | 'work' | 'good' | 'off';
