// The thresholds of the alert rules, so that dashboards colour where alerts fire.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface Threshold {
  value: number;
  severity: string;
}

interface RuleFile {
  groups: { rules: { alert?: string; labels?: Record<string, string>; annotations?: Record<string, string> }[] }[];
}

const files = ['default.yml', 'llm.yml'];

/** The threshold of the rule of that name; an error where there is none. */
export function thresholdOf(name: string): Threshold {
  for (const file of files) {
    const text = readFileSync(new URL(`../../../rules/${file}`, import.meta.url), 'utf8');
    for (const group of (parse(text) as RuleFile).groups) {
      for (const rule of group.rules) {
        if (rule.alert !== name) continue;
        const value = Number(rule.annotations?.threshold);
        if (!Number.isFinite(value)) throw new Error(`rule ${name} of ${file} has no threshold`);
        return { value, severity: rule.labels?.severity ?? '' };
      }
    }
  }
  throw new Error(`there is no rule ${name} in ${files.join(', ')}`);
}
