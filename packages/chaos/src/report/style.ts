/** The look of the report, in light and in dark. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #66717f; --paper: #fff; --lane: #eef1f5; --line: #d5dbe3;
  --network: #3267c8; --process: #8a4fc0; --disk: #b0632a; --clock: #11808c; --down: #b9c0ca;
  --good: #2f9e5b; --wait: #e3b341; --part: #d9772b; --bad: #cc2f3c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ef; --soft: #98a3b1; --paper: #14181e; --lane: #212832; --line: #323c49;
  --network: #6f9df0; --process: #b98ae6; --disk: #d99560; --clock: #4dbac5; --down: #4b5663; } }
body { margin: 24px auto; max-width: 1260px; padding: 0 16px; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 22px; margin-bottom: 4px; } h2 { font-size: 17px; margin-top: 28px; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
code { background: var(--lane); padding: 2px 6px; border-radius: 4px; }
table { border-collapse: collapse; font-size: 13px; } th, td { text-align: left; vertical-align: top; padding: 3px 14px 3px 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; } td { overflow-wrap: anywhere; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
svg .title { font-weight: 600; font-size: 12px; } svg .axis { fill: var(--soft); font-size: 10px; }
.lane { fill: var(--lane); } .tick { stroke: var(--line); stroke-width: 1; fill: none; }
.down { fill: var(--down); } .network { fill: var(--network); } .process { fill: var(--process); } .disk { fill: var(--disk); } .clock { fill: var(--clock); }
.fault { opacity: .85; } .converged { fill: var(--good); } .converging { fill: var(--wait); } .partitioned { fill: var(--part); } .unreachable { fill: var(--down); }
.write.ok { fill: var(--good); } .write.unknown { fill: var(--wait); } .write.none { fill: var(--down); }
.lag { fill: none; stroke-width: 1.4; } .lag0 { stroke: var(--network); } .lag1 { stroke: var(--process); } .lag2 { stroke: var(--disk); } .lag3 { stroke: var(--clock); } .lag4 { stroke: var(--good); }
.violation { fill: var(--bad); } .undone { fill: var(--ink); } .legend span { margin-right: 14px; white-space: nowrap; font-size: 13px; } svg.swatch { width: 12px; height: 12px; vertical-align: -1px; }
`;
