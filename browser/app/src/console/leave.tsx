import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Select } from '../ui/select'
import { say, sayFault } from '../ui/toast'
import { useUsers } from './data'

/** Somebody leaves: who has their open leads from now on, in the same step. */
export function Leave({ user: u, onClose, onDone }: { user: Schemas['Colleague']; onClose: () => void; onDone: () => void }) {
  const [to, choose] = useState('pool')
  const colleagues = (useUsers().data ?? []).filter((x) => x.id !== u.id && x.state === 'active')
  const leave = useMutation({
    mutationFn: async () => {
      const handover = to === 'pool' ? { pool: true } : { to }
      await ok(api.PATCH('/v1/users/{id}', { params: { path: { id: u.id } }, body: { state: 'deactivated', handover } }))
    },
    onSuccess: () => {
      say(t('console.people.changed'), { kind: 'good' })
      onDone()
    },
    onError: sayFault,
  })
  return (
    <Dialog
      open
      onClose={onClose}
      title={t('console.people.offAsk', { name: u.name })}
      words={t('console.leave.words')}
      actions={<><Button look="quiet" onClick={onClose}>{t('common.cancel')}</Button><Button look="lost" busy={leave.isPending} onClick={() => leave.mutate()}>{t('console.people.off')}</Button></>}
    >
      <Select label={t('console.leave.to')} value={to} onChange={choose} choices={[{ value: 'pool', label: t('console.leave.pool') }, ...colleagues.map((x) => ({ value: x.id, label: x.name }))]} />
    </Dialog>
  )
}
