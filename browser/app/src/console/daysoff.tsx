import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { day } from '../lib/format'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { formFault, say, sayFault } from '../ui/toast'
import { all } from './data'
import { Part } from './page'

const thisYear = new Date().getFullYear()
const years = [thisYear - 1, thisYear, thisYear + 1]

/** A year's days off, the first one first, of one or of everybody. */
export const useDaysOff = (user: string | undefined, year: number) =>
  useQuery({
    queryKey: ['holidays', user ?? '', year],
    queryFn: () => all((cursor) => {
      const query = { year, limit: 500, cursor }
      return user ? ok(api.GET('/v1/users/{id}/holidays', { params: { path: { id: user }, query } })) : ok(api.GET('/v1/holidays', { params: { query } }))
    }).then((l) => l.reverse()),
  })

/** Days off, of everybody or of one: on them nothing is offered, and clocks of routing hours stand still. */
export function DaysOff({ user }: { /** Without: the account's. */ user?: string }) {
  const may = !!useMay()('routing:manage')
  const [year, setYear] = useState(thisYear)
  const [adding, add] = useState(false)
  const list = useDaysOff(user, year)
  const drop = useMutation({
    mutationFn: (id: string) => ok(api.DELETE('/v1/holidays/{id}', { params: { path: { id } } })),
    onSuccess: () => say(t('console.off.gone'), { kind: 'good' }),
    onError: sayFault,
    onSettled: renew,
  })
  return (
    <Part
      title={t(user ? 'console.off.theirs' : 'console.off.title')}
      action={
        <span className="flex flex-wrap items-center justify-end gap-2">
          <Select hideLabel className="w-24" label={t('console.off.year')} value={String(year)} onChange={(y) => setYear(Number(y))} choices={[...new Set([...years, year])].sort().map((y) => ({ value: String(y), label: String(y) }))} />
          {may && <Button icon="plus" onClick={() => add(true)}>{t('console.off.add')}</Button>}
        </span>
      }
    >
      {!user && <p className="mb-2 max-w-160 text-soft">{t('console.off.words')}</p>}
      {list.isPending ? <Rows n={2} /> : !list.data?.length ? <p className="text-soft">{t('console.off.none')}</p> : (
        <ul>
          {list.data.map((h) => (
            <li key={h.id} className="flex min-h-11 items-center gap-3 border-b border-line py-1 text-sm">
              <span className="min-w-0 flex-1 truncate font-medium">{h.name}</span>
              <span className="figures text-soft">{spanOf(h)}</span>
              {may && <Button look="quiet" icon="cross" aria-label={t('console.off.remove', { name: h.name })} disabled={drop.isPending} onClick={() => drop.mutate(h.id)} />}
            </li>
          ))}
        </ul>
      )}
      <Sheet open={adding} onClose={() => add(false)} title={t('console.off.add')}>
        {adding && <Form user={user} onDone={(h) => { setYear(Number(h.from.slice(0, 4))); add(false) }} />}
      </Sheet>
    </Part>
  )
}

function renew() {
  for (const key of ['holidays', 'pool', 'users', 'next-offer']) void queries.invalidateQueries({ queryKey: [key] })
}

const spanOf = (h: Schemas['Holiday']) => (h.from === h.until ? day(h.from) : `${day(h.from)} – ${day(h.until)}`)

function Form({ user, onDone }: { user?: string; onDone: (h: Schemas['Holiday']) => void }) {
  const [faults, fail] = useState<Record<string, string>>({})
  const [from, setFrom] = useState('')
  const send = useMutation({
    mutationFn: (body: Schemas['HolidayBody']) => (user ? ok(api.POST('/v1/users/{id}/holidays', { params: { path: { id: user } }, body })) : ok(api.POST('/v1/holidays', { body }))),
    onMutate: () => fail({}),
    onSuccess: (h) => {
      renew()
      onDone(h)
    },
    onError: (e) => fail(formFault(e).fields),
  })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = new FormData(e.currentTarget)
    const text = (k: string) => String(f.get(k) ?? '').trim()
    send.mutate({ name: text('name'), from: text('from'), until: text('until') || undefined })
  }
  return (
    <form onSubmit={submit} className="grid gap-4">
      <Field name="name" label={t('console.off.name')} help={user ? t('console.off.nameHelp') : undefined} placeholder={t(user ? 'console.off.leave' : 'console.off.example')} required maxLength={80} fault={faults.name} autoComplete="off" />
      <div className="grid gap-4 md:grid-cols-2">
        <Field name="from" type="date" label={t('console.off.from')} required value={from} onChange={(e) => setFrom(e.target.value)} fault={faults.from} />
        <Field name="until" type="date" label={t('console.off.until')} help={t('console.off.untilHelp')} min={from || undefined} fault={faults.until} />
      </div>
      <div><Button type="submit" look="primary" busy={send.isPending}>{t('console.off.save')}</Button></div>
    </form>
  )
}
