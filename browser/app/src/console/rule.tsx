import { useState } from 'react'
import type { Schemas } from '../lib/api'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { Field, TextField } from '../ui/field'
import { Menu } from '../ui/menu'
import { Select } from '../ui/select'
import { useProjects, useSources } from './data'
import type { Rule } from './policies'

const methods = ['round_robin', 'weighted', 'least_open', 'first_to_claim'] as const

/** One rule: which leads, which people, in which order. */
export function RuleForm({ n, rule: r, last, later, people, change, up, down, remove }: {
  n: number
  rule: Rule
  last: boolean
  later: string[]
  people: Schemas['PoolMember'][]
  change: (part: Partial<Rule>) => void
  up?: () => void
  down?: () => void
  remove?: () => void
}) {
  return (
    <li className="border-t border-line py-5">
      <div className="mb-4 flex items-end gap-3">
        <span aria-hidden className="figures grid size-9 shrink-0 place-items-center rounded-full bg-sunken text-sm font-semibold">{n}</span>
        <Field label={t('console.draft.ruleName', { n })} hideLabel required maxLength={80} value={r.name} onChange={(e) => change({ name: e.target.value })} className="flex-1" inputClass="font-medium" />
        <Menu
          trigger={<Button type="button" look="quiet" icon="more" aria-label={t('console.draft.ruleMore', { n })} />}
          acts={[
            { words: t('console.draft.up'), disabled: !up, run: () => up?.() },
            { words: t('console.draft.down'), disabled: !down, run: () => down?.() },
            null,
            { words: t('console.draft.removeRule'), lost: true, disabled: !remove, run: () => remove?.() },
          ]}
        />
      </div>
      <div className="grid gap-4 ps-12">
        {last ? <p className="text-sm text-soft">{t('console.draft.lastRule')}</p> : <Condition value={r.when ?? ''} change={(when) => change({ when: when || undefined })} />}
        <div className="grid gap-4 md:grid-cols-2">
          <Select label={t('console.draft.method')} value={r.method} onChange={(method) => change({ method })} choices={methods.map((m) => ({ value: m, label: tOf('console.method', m) }))} />
          {later.length > 0 && (
            <Select label={t('console.draft.fallback')} value={r.fallback ?? '*'} onChange={(v) => change({ fallback: v === '*' ? undefined : v })}
              choices={[{ value: '*', label: t('console.draft.waits') }, ...later.map((l) => ({ value: l, label: l }))]} />
          )}
        </div>
        <Members rule={r} people={people} change={change} />
        <Field label={t('console.draft.needs')} help={t('console.draft.needsHelp')} defaultValue={(r.needs ?? []).join(', ')} inputClass="ltr"
          onChange={(e) => change({ needs: e.target.value.split(',').map((s) => s.trim()).filter(Boolean) })} autoComplete="off" />
        <label className="flex min-h-9 items-center gap-2.5 text-sm">
          <input type="checkbox" className="size-4 accent-accent" checked={!!r.sticky} onChange={(e) => change({ sticky: e.target.checked || undefined })} />
          {t('console.draft.sticky')}
        </label>
      </div>
    </li>
  )
}

/** Everybody of the team, or some, each with a share where the method weighs. */
function Members({ rule: r, people, change }: { rule: Rule; people: Schemas['PoolMember'][]; change: (part: Partial<Rule>) => void }) {
  const some = !!r.members?.length
  const weighs = r.method === 'weighted'
  const set = (id: string, weight: number | null) => {
    const rest = (r.members ?? []).filter((m) => m.user_id !== id)
    change({ members: weight === null ? rest : [...rest, { user_id: id, weight }] })
  }
  return (
    <fieldset>
      <legend className="mb-1.5 text-sm font-medium">{t('console.draft.who')}</legend>
      <label className="flex min-h-9 items-center gap-2.5 text-sm">
        <input type="checkbox" className="size-4 accent-accent" checked={!some} onChange={(e) => change({ members: e.target.checked ? undefined : people.map((p) => ({ user_id: p.user_id, weight: 1 })) })} disabled={!people.length} />
        {t('console.draft.everybody')}
      </label>
      {some && (
        <ul className="mt-1 grid gap-x-6 md:grid-cols-2">
          {people.map((p) => {
            const m = r.members?.find((x) => x.user_id === p.user_id)
            return (
              <li key={p.user_id} className="flex min-h-9 items-center gap-2.5 text-sm">
                <label className="flex min-w-0 flex-1 items-center gap-2.5">
                  <input type="checkbox" className="size-4 accent-accent" checked={!!m} onChange={(e) => set(p.user_id, e.target.checked ? 1 : null)} />
                  <span className="truncate">{p.name}</span>
                </label>
                {weighs && m && (
                  <Field hideLabel label={t('console.draft.weight', { name: p.name })} type="number" min={0} max={1000} value={m.weight} onChange={(e) => set(p.user_id, Number(e.target.value) || 0)} className="w-20" inputClass="figures" />
                )}
              </li>
            )
          })}
        </ul>
      )}
    </fieldset>
  )
}

const numbers = ['value', 'hour', 'weekday']
const fields = ['source', 'project', 'campaign', 'medium', 'country', 'area', 'language', 'value', 'tags', 'hour', 'weekday'] as const
const names: Record<string, string> = { '==': 'is', '!=': 'isNot', '>=': 'atLeast', '<=': 'atMost' }
type FieldName = (typeof fields)[number]

/** The condition in CEL, and a way to write it without knowing CEL. */
function Condition({ value, change }: { value: string; change: (v: string) => void }) {
  const [field, setField] = useState<FieldName>('source')
  const [op, setOp] = useState('==')
  const [typed, type] = useState('')
  const sources = useSources().data ?? []
  const projects = useProjects().data ?? []
  const known = field === 'source' ? sources.map((s) => ({ value: s.slug, label: s.name })) : field === 'project' ? projects.map((p) => ({ value: p.slug, label: p.name })) : null
  const ops = field === 'tags' ? ['in'] : numbers.includes(field) ? ['==', '!=', '>=', '<='] : ['==', '!=']
  const add = () => {
    const text = numbers.includes(field) ? String(Number(typed)) : `'${typed.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`
    const part = field === 'tags' ? `${text} in tags` : `${field} ${op} ${text}`
    change(value.trim() ? `${value.trim()} && ${part}` : part)
    type('')
  }
  return (
    <div className="grid gap-2">
      <TextField label={t('console.draft.when')} help={t('console.draft.whenHelp')} rows={2} dir="ltr" spellCheck={false} value={value} onChange={(e) => change(e.target.value)} className="[&_textarea]:font-mono [&_textarea]:text-sm" />
      <div className="flex flex-wrap items-end gap-2">
        <Select hideLabel label={t('console.draft.field')} className="w-36" value={field} onChange={(v) => { setField(v); setOp('=='); type('') }} choices={fields.map((f) => ({ value: f, label: tOf('console.field', f) }))} />
        {field !== 'tags' && <Select hideLabel label={t('console.draft.op')} className="w-32" value={op} onChange={setOp} choices={ops.map((o) => ({ value: o, label: tOf('console.op', names[o]!) }))} />}
        {known ? (
          <Select hideLabel label={t('console.draft.value')} className="w-44" value={typed || null} onChange={type} choices={known} />
        ) : (
          <Field hideLabel label={t('console.draft.value')} className="w-36" value={typed} inputMode={numbers.includes(field) ? 'decimal' : undefined} onChange={(e) => type(e.target.value)} autoComplete="off" />
        )}
        <Button type="button" icon="plus" disabled={!typed || (numbers.includes(field) && Number.isNaN(Number(typed)))} onClick={add}>{t('console.draft.addCondition')}</Button>
      </div>
    </div>
  )
}
