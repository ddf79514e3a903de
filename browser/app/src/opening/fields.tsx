import { t, tOf } from '../lib/words'

const fields = ['name', 'phone', 'email', 'message', 'note'] as const

/** Which texts of a lead may be opened. */
export function Fields({ words, value, onChange }: { words: string; value: readonly string[]; onChange: (v: readonly string[]) => void }) {
  return (
    <fieldset>
      <legend className="text-sm font-medium">{words}</legend>
      {fields.map((f) => (
        <label key={f} className="flex min-h-11 items-center gap-2.5 text-base md:min-h-8 md:text-sm">
          <input type="checkbox" className="size-4 accent-accent" checked={value.includes(f)} onChange={(e) => onChange(e.target.checked ? [...value, f] : value.filter((x) => x !== f))} />
          {t(`field.${f}`)}
        </label>
      ))}
    </fieldset>
  )
}

export const fieldsOf = (list: string[]) => list.map((f) => tOf('field', f)).join(', ')

/** The ids of leads in what somebody pasted: ids alone, or addresses. */
export const idsIn = (text: FormDataEntryValue | null) => String(text ?? '').match(/lead_[0-9a-z]+/g) ?? []
