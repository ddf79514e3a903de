import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { download } from '../lib/download'
import { faultOf } from '../lib/fault'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Field } from '../ui/field'
import { Progress } from '../ui/progress'
import { When } from '../ui/time'
import { formFault, say, sayFault } from '../ui/toast'
import { Asked } from './settings'

const key = ['account', 'archives']

/** Everything of the account in one signed file: made, fetched once, or cancelled. */
export function Archive() {
  const list = useQuery({
    queryKey: key,
    queryFn: () => ok(api.GET('/v1/account/archives', { params: { query: { limit: 1 } } })),
    refetchInterval: (q) => (q.state.data?.items[0]?.state === 'running' ? 1000 : false),
  })
  const [ask, show] = useState(false)
  const last = list.data?.items[0]
  const open = last && (last.state === 'running' || last.state === 'ready')
  const again = () => void queries.invalidateQueries({ queryKey: key })
  const fetched = useMutation({
    mutationFn: (e: Schemas['AccountExport']) =>
      download(api.GET('/v1/account/archives/{id}/file', { params: { path: { id: e.id } }, parseAs: 'blob' }), `account-${e.created_at.slice(0, 10)}.tar.zst${e.recipient ? '.age' : ''}`),
    onSuccess: () => say(t('console.archive.fetched'), { kind: 'good' }),
    onError: sayFault,
    onSettled: again,
  })
  const stop = useMutation({ mutationFn: (id: string) => ok(api.POST('/v1/account/archives/{id}/cancel', { params: { path: { id } } })), onError: sayFault, onSettled: again })
  return (
    <Asked title={t('console.archive.title')} query={list}>
      <p className="mb-4 text-sm text-soft">{t('console.archive.words')}</p>
      {open ? (
        <div className="grid gap-4 text-sm">
          {last.state === 'running' ? <Progress label={t('console.archive.running')} value={last.rows_done} of={Math.max(last.rows_total, last.rows_done, 1)} /> : <p className="font-medium text-good">{t('console.archive.ready')}</p>}
          <p className="text-soft">
            <When at={last.created_at} /> · {last.purpose}
          </p>
          {last.recipient && <p dir="ltr" className="rounded bg-sunken p-2 font-mono text-xs break-all">{last.recipient}</p>}
          <div className="flex flex-wrap gap-2">
            <Button look="primary" disabled={last.state !== 'ready'} busy={fetched.isPending} onClick={() => fetched.mutate(last)}>{t('console.archive.fetch')}</Button>
            <Button look="quiet" busy={stop.isPending} onClick={() => stop.mutate(last.id)}>{t('console.archive.cancel')}</Button>
          </div>
        </div>
      ) : (
        <Button onClick={() => show(true)}>{t('console.archive.begin')}</Button>
      )}
      {ask && <Ask onClose={() => show(false)} onMade={again} />}
    </Asked>
  )
}

function Ask({ onClose, onMade }: { onClose: () => void; onMade: () => void }) {
  const send = useMutation({
    mutationFn: (body: { purpose: string; recipient?: string }) => ok(api.POST('/v1/account/archives', { body })),
    onSuccess: () => {
      onMade()
      onClose()
    },
    onError: (x) => void formFault(x),
  })
  const wrong = send.isError ? faultOf(send.error).fields : {}
  const submit = (x: FormEvent<HTMLFormElement>) => {
    x.preventDefault()
    const f = new FormData(x.currentTarget)
    send.mutate({ purpose: String(f.get('purpose')).trim(), recipient: String(f.get('recipient')).trim() || undefined })
  }
  return (
    <Dialog open onClose={onClose} title={t('console.archive.ask')} words={t('console.archive.askWords')}>
      <form onSubmit={submit} className="grid gap-4">
        <Field name="purpose" required maxLength={100} label={t('console.archive.purpose')} help={t('console.archive.purposeHelp')} autoComplete="off" fault={wrong.purpose} />
        <Field name="recipient" maxLength={100} label={t('console.archive.recipient')} help={t('console.archive.recipientHelp')} autoComplete="off" spellCheck={false} fault={wrong.recipient} inputClass="ltr" />
        <div className="flex justify-end gap-2">
          <Button type="button" look="quiet" onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="primary" busy={send.isPending}>{t('console.archive.make')}</Button>
        </div>
      </form>
    </Dialog>
  )
}
