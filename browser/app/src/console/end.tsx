import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Field } from '../ui/field'
import { When } from '../ui/time'
import { formFault, say, sayFault } from '../ui/toast'
import { Asked } from './settings'

const key = ['account', 'end']

/** The end of the account: asked for by name, taken back while the grace time runs. */
export function End() {
  const now = useQuery({ queryKey: key, queryFn: () => ok(api.GET('/v1/account/end')) })
  const [ask, show] = useState(false)
  const back = useMutation({
    mutationFn: () => ok(api.DELETE('/v1/account/end')),
    onSuccess: (e) => {
      queries.setQueryData(key, e)
      say(t('console.end.back'), { kind: 'good' })
    },
    onError: sayFault,
  })
  const e = now.data
  return (
    <Asked title={t('console.end.title')} query={now}>
      {e?.state === 'none' && (
        <>
          <p className="mb-4 text-sm text-soft">{t('console.end.words')}</p>
          <Button look="lost" onClick={() => show(true)}>{t('console.end.begin')}</Button>
        </>
      )}
      {e && e.state !== 'none' && e.due_at && (
        <div className="grid gap-4 text-sm">
          <p className="font-medium text-warm">{e.state === 'waiting' ? t('console.end.waiting') : t('console.end.running')} <When at={e.due_at} /></p>
          <p className="text-soft">{t('console.end.certificate')}</p>
          <p dir="ltr" className="rounded bg-sunken p-2 font-mono text-xs break-all">{e.certificate_url}</p>
          {e.state === 'waiting' && <div><Button busy={back.isPending} onClick={() => back.mutate()}>{t('console.end.cancel')}</Button></div>}
        </div>
      )}
      {ask && e && <Ask e={e} onClose={() => show(false)} />}
    </Asked>
  )
}

function Ask({ e, onClose }: { e: Schemas['AccountEnd']; onClose: () => void }) {
  const send = useMutation({
    mutationFn: (body: { name: string; grace_days: number }) => ok(api.POST('/v1/account/end', { body })),
    onSuccess: (now) => {
      queries.setQueryData(key, now)
      onClose()
    },
    onError: (x) => void formFault(x),
  })
  const wrong = send.isError ? faultOf(send.error).fields : {}
  const submit = (x: FormEvent<HTMLFormElement>) => {
    x.preventDefault()
    const f = new FormData(x.currentTarget)
    send.mutate({ name: String(f.get('name')).trim(), grace_days: Number(f.get('days')) })
  }
  return (
    <Dialog open onClose={onClose} title={t('console.end.ask')} words={t('console.end.askWords')}>
      <form onSubmit={submit} className="grid gap-4">
        <Field name="days" type="number" min={e.min_days} max={e.max_days} required label={t('console.end.days')} help={t('console.end.daysHelp')} defaultValue={14} fault={wrong.grace_days} className="max-w-60" inputClass="figures" />
        <Field name="name" required label={t('console.end.name')} autoComplete="off" fault={wrong.name} />
        <div className="flex justify-end gap-2"><Button type="button" look="quiet" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" look="lost" busy={send.isPending}>{t('console.end.begin')}</Button></div>
      </form>
    </Dialog>
  )
}
