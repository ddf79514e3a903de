import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok } from '../lib/api'
import { faultOf } from '../lib/fault'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import type { Source } from '../console/data'
import { Button } from '../ui/button'
import { Field, TextField } from '../ui/field'
import { say, sayFault } from '../ui/toast'
import { sample } from './csv'
import { Target } from './targets'

interface Row {
  from: string
  to: string
}

/** Which of their fields goes where, and which say nothing about the person; a sample shows it before a lead comes in. */
export function Mapping({ source }: { source: Source }) {
  const [rows, setRows] = useState<Row[]>(() => Object.entries(source.mapping).map(([from, to]) => ({ from, to })))
  const [plain, setPlain] = useState<ReadonlySet<string>>(() => new Set(source.non_personal))
  const [text, setText] = useState('')
  const [fresh, name] = useState('')
  const seen = sample(text)
  const save = useMutation({
    mutationFn: () =>
      ok(api.PATCH('/v1/sources/{id}', { params: { path: { id: source.id } }, body: { mapping: Object.fromEntries(rows.filter((r) => r.to).map((r) => [r.from, r.to])), non_personal: [...plain] } })),
    onSuccess: () => say(t('inlet.mapping.saved'), { kind: 'good' }),
    onError: (e) => !faultOf(e).fields.mapping && sayFault(e),
    onSettled: () => void queries.invalidateQueries({ queryKey: ['sources'] }),
  })
  const fault = save.isError ? faultOf(save.error).fields : {}
  const put = (from: string, to: string) => setRows(rows.some((r) => r.from === from) ? rows.map((r) => (r.from === from ? { from, to } : r)) : [...rows, { from, to }])
  const mark = (field: string) => {
    const next = new Set(plain)
    if (!next.delete(field)) next.add(field)
    setPlain(next)
  }
  const custom = (from: string, to: string) => (to.startsWith('custom.') ? to.slice(7) : to ? null : from)
  const known = source.non_personal.filter((p) => !rows.some((r) => custom(r.from, r.to) === p))
  const all = [...new Set([...rows.map((r) => r.from), ...known, ...seen.map((s) => s.field)])]
  return (
    <div className="space-y-4">
      <p className="max-w-160 text-soft">{t('inlet.mapping.words')}</p>
      <TextField label={t('inlet.mapping.sample')} help={t('inlet.mapping.sampleHelp')} rows={3} dir="ltr" value={text} onChange={(e) => setText(e.target.value)} spellCheck={false} />
      {all.length > 0 && (
        <div className="relative overflow-x-auto" tabIndex={0} role="group" aria-label={t('inlet.mapping.title')}>
          <table className="w-full min-w-130 text-sm">
            <thead>
              <tr className="border-b border-line text-xs text-soft">
                <th scope="col" className="py-2 pe-3 text-start font-medium">{t('inlet.mapping.theirs')}</th>
                <th scope="col" className="px-3 py-2 text-start font-medium">{t('inlet.mapping.ours')}</th>
                <th scope="col" className="px-3 py-2 text-start font-medium">{t('inlet.mapping.personal')}</th>
                {seen.length > 0 && <th scope="col" className="px-3 py-2 text-start font-medium">{t('inlet.mapping.preview')}</th>}
                <th scope="col"><span className="sr-only">{t('inlet.mapping.drop')}</span></th>
              </tr>
            </thead>
            <tbody>
              {all.map((from) => {
                const to = rows.find((r) => r.from === from)?.to ?? ''
                const free = custom(from, to)
                return (
                  <tr key={from} className="border-b border-line">
                    <th scope="row" dir="ltr" className="max-w-48 truncate py-2 pe-3 text-start font-mono text-xs font-normal">{from}</th>
                    <td className="px-3 py-1.5"><Target field={from} to={to} onChange={(v) => put(from, v)} /></td>
                    <td className="px-3 py-2 whitespace-nowrap">
                      {free ? (
                        <label className="flex min-h-9 items-center gap-2"><input type="checkbox" className="size-4 accent-accent" checked={!plain.has(free)} onChange={() => mark(free)} />{t(plain.has(free) ? 'inlet.mapping.isPlain' : 'inlet.mapping.isPersonal')}</label>
                      ) : <span className="text-faint">–</span>}
                    </td>
                    {seen.length > 0 && <td dir="auto" className="max-w-52 truncate px-3 py-2">{seen.find((s) => s.field === from)?.value ?? <span className="text-faint">–</span>}</td>}
                    <td className="py-2 text-end">{rows.some((r) => r.from === from) && <Button look="quiet" icon="cross" aria-label={t('inlet.mapping.dropOne', { field: from })} onClick={() => setRows(rows.filter((r) => r.from !== from))} />}</td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </div>
      )}
      {fault.mapping && <p role="alert" className="text-sm text-lost">{fault.mapping}</p>}
      <div className="flex flex-wrap items-end gap-2">
        <Field label={t('inlet.mapping.add')} className="w-56" inputClass="ltr" value={fresh} onChange={(e) => name(e.target.value)} autoComplete="off" />
        <Button disabled={!fresh.trim()} onClick={() => { put(fresh.trim(), ''); name('') }}>{t('inlet.mapping.addGo')}</Button>
        <span className="flex-1" />
        <Button look="primary" busy={save.isPending} onClick={() => save.mutate()}>{t('inlet.mapping.save')}</Button>
      </div>
    </div>
  )
}
