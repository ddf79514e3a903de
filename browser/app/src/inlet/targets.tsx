import { t, tOf } from '../lib/words'
import { Field } from '../ui/field'
import { Select } from '../ui/select'

/** Where a field or column may go, in the words of docs/capture.md; history takes more of a file. */
const places = ['person.name', 'person.first_name', 'person.last_name', 'person.phone', 'person.email', 'message', 'attribution.utm_source', 'attribution.utm_medium', 'attribution.utm_campaign'] as const
const ofFiles = ['key', 'project'] as const
const ofHistory = ['created_at', 'owner', 'stage', 'reason', 'note'] as const

/** Chooses where one field goes. An empty value: by its own name. */
export function Target({ field, to, onChange, mode }: { field: string; to: string; onChange: (to: string) => void; mode?: 'live' | 'history' }) {
  const custom = to.startsWith('custom.')
  const all = [...places, ...(mode ? ofFiles : []), ...(mode === 'history' ? ofHistory : [])] as string[]
  const choices = [
    { value: '*', label: t('inlet.target.own') },
    ...all.map((v) => ({ value: v, label: tOf('inlet.to', v.replace('.', '_')) })),
    { value: 'custom.', label: t('inlet.target.custom') },
    { value: '-', label: t('inlet.target.out') },
  ]
  if (to && !custom && to !== '-' && !all.includes(to)) choices.push({ value: to, label: to })
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Select hideLabel className="w-52" label={t('inlet.target.of', { field })} value={custom ? 'custom.' : to || '*'} choices={choices} onChange={(v) => onChange(v === '*' ? '' : v === 'custom.' ? 'custom.' + field.replace(/\W+/g, '_').toLowerCase() : v)} />
      {custom && <Field hideLabel className="w-40" inputClass="ltr" label={t('inlet.target.customName', { field })} value={to.slice(7)} onChange={(e) => onChange('custom.' + e.target.value)} autoComplete="off" />}
    </div>
  )
}
